"""Questions of `mainspring new`: an invalid answer is asked again, and no answer is lost."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
import typer
from rich.console import Console

from configs.errors import BadConfig
from flows.cli.new.questions import Questions


@pytest.fixture
def shown() -> StringIO:
    return StringIO()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types, line by line; then the person presses Ctrl-C."""
    lines: list[str] = []

    def read(_question: str, **_options: object) -> str:
        if not lines:
            raise typer.Abort
        return lines.pop(0)

    monkeypatch.setattr(typer, "prompt", read)
    return lines


def make_plan(ask: Questions) -> tuple[str, str]:
    keys = ask("--keys orders=…", "Keys of orders", "order")
    label = ask("--label", "Which column is predicted?", "")
    if label != "orders.paid":
        raise BadConfig(f"--label {label}: column not found")
    return keys, label


def test_an_empty_or_wrong_answer_costs_that_answer_alone(
    shown: StringIO, typed: list[str]
) -> None:
    typed += ["order", "", "orders.payed", " orders.paid "]
    questions = Questions(Console(file=shown, width=200))
    assert questions.repeat(lambda: make_plan(questions)) == ("order", "orders.paid")
    assert "--label orders.payed: column not found" in shown.getvalue()
    assert typed == []


def test_answers_are_printed_as_flags_if_the_person_stops(
    shown: StringIO, typed: list[str]
) -> None:
    typed += ["order, day"]
    questions = Questions(Console(file=shown, width=200))
    with pytest.raises(typer.Abort):
        questions.repeat(lambda: make_plan(questions))
    assert "your answers: --keys 'orders=order, day'" in shown.getvalue()


def test_an_error_of_no_answer_ends_the_questions(shown: StringIO, typed: list[str]) -> None:
    def fail() -> Iterator[str]:
        raise BadConfig("--table orders: no such file")

    with pytest.raises(BadConfig, match="no such file"):
        Questions(Console(file=shown)).repeat(fail)
    typed += ["a", "b", "c", "d"]
    questions = Questions(Console(file=shown, width=200))

    def always_fail() -> None:
        questions("--label", "Label?", "")
        raise BadConfig("--after soon: invalid")

    with pytest.raises(BadConfig, match="--after"):
        questions.repeat(always_fail)
    assert typed == ["d"]
