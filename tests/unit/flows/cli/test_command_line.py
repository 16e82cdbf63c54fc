"""The frame of every command: state folder, hint, errors as sentences, bad values of any option."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, get_origin

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from configs import errors
from configs.settings import settings
from flows.cli.app import app
from flows.cli.command_line import MainspringGroup, frame_command, use_state
from tasks.ledger.log import Entry, open_ledger
from tests.support.ledger_entries import START

pytestmark = pytest.mark.system  # minutes together

cli = CliRunner()
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
ANSWERS = {"use_case": "flights", "name": "flights", "version": "1", "flow": "score", "key": "a/b"}
BAD = ("", "x y", "-3x", "[/]", "2013-13-45", "9" * 30, "ä")


def call(*words: str) -> tuple[int, str]:
    result = cli.invoke(app, list(words))
    return result.exit_code, result.output


def required_words(name: str) -> list[str]:
    """The arguments and required options of a command, with values that pass."""
    words = [name]
    for each in COMMANDS[name].params:
        if each.required:
            value = ANSWERS.get(each.name, "test")
            words += [value] if each.param_type_name == "argument" else [each.opts[0], value]
    return words


def typed_options() -> Iterator[tuple[str, str]]:
    """The options that take a number, a moment or one of some words."""
    for name, command in COMMANDS.items():
        for each in command.params:
            kind = each.type_descriptor.annotation
            is_typed = kind in (int, float, datetime) or get_origin(kind) is Literal
            if each.param_type_name == "option" and is_typed:
                yield name, each.opts[0]


def test_there_are_options_of_each_type():
    assert {("history", "--last"), ("history", "--since"), ("promote", "--as-of")} <= {
        *typed_options()
    }


@pytest.mark.parametrize(("name", "option"), [*typed_options()])
def test_bad_value_of_an_option_is_an_error_in_a_sentence(home, name, option):
    for value in BAD[:-1]:
        code, said = call(*required_words(name), option, value)
        assert code in (1, 2), said  # a number may be too large for what comes after the parser
        assert said.startswith("Error: "), said
        assert "Traceback" not in said


@pytest.mark.parametrize("words", [("nonsense",), ("status", "--nonsense"), ("promote", "flights")])
def test_wrong_command_line_is_an_error_in_a_sentence(words):
    code, said = call(*words)
    assert code == 2
    assert said.startswith("Error: ")
    assert said.rstrip().endswith("--help")


def error_classes(base: type[Exception] = errors.MainspringError) -> Iterator[type[Exception]]:
    yield base
    for each in base.__subclasses__():
        yield from error_classes(each)


@pytest.mark.parametrize(
    "error",
    [*error_classes(), ValueError, OSError, KeyError, RuntimeError],
    ids=lambda e: e.__name__,
)
def test_every_error_of_a_command_is_one_sentence(home, error):
    def fail() -> None:
        raise error("the file [x] is broken: see \x1b[2J/a/b")

    failing = typer.Typer(cls=MainspringGroup, pretty_exceptions_enable=False)
    failing.command()(frame_command(fail))
    failing.command("other")(frame_command(lambda: None))
    result = cli.invoke(failing, ["fail"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "the file [x] is broken: see ␛[2J/a/b" in result.output
    assert error.__name__ not in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("name", [*COMMANDS])
def test_every_command_has_help_and_a_state_folder(name):
    code, said = call(name, "-h")
    assert code == 0
    assert "Usage" in said
    flags = {flag for each in COMMANDS[name].params for flag in each.opts}
    assert "--state" in flags
    assert "--demo" in flags or name == "demo"


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("status", "--json"), ("history", "flights"), ("alerts",), ("alerts", "--all"),
        ("explain", "flights", "a/b/c/2013-07-04"), ("reproduce", "flights", "1"),
        ("quarantine", "flights"), ("quarantine", "flights", "--json"), ("check", "flights"),
        ("deployments",), ("open", "--json"),
    ],
)  # fmt: skip
def test_commands_that_only_read_create_no_file(home, words):
    call(*words)
    assert [*home.rglob("*")] == []


def record_promotion(state: Path) -> None:
    with use_state(state):
        evidence = {"reason": "better"}
        open_ledger().record(Entry("flights", "promoted", "decision:1", START, "ada", 1, evidence))


def test_empty_state_points_at_the_results_of_the_demo(home):
    assert "--demo" not in call("history", "flights")[1]
    record_promotion(home / "demo")
    for words in (("history", "flights"), ("status",), ("explain", "flights", "a")):
        said = call(*words)[1]
        assert f"The demo's results are in {home / 'demo'}: add --demo" in said
    assert "promoted v1" in call("history", "flights", "--demo")[1]
    assert "promoted v1" in call("history", "flights", "--state", str(home / "demo"))[1]
    assert settings().state == home, "an option counts for its own command"
    record_promotion(home)
    assert "add --demo" not in call("status")[1]


def test_missing_demo_and_two_state_folders_are_errors(home, tmp_path):
    code, said = call("status", "--demo")
    assert (code, "run mainspring demo first" in said) == (1, True)
    (home / "demo").mkdir()
    code, said = call("status", "--demo", "--state", str(tmp_path))
    assert (code, "give one of them" in said) == (1, True)


def test_facts_are_printed_as_json(home):
    record_promotion(home)
    (status,) = json.loads(call("status", "flights", "--json")[1])
    assert status["champion"] == {"version": 1, "since": START.isoformat()}
    (entry,) = json.loads(call("history", "flights", "--json")[1])
    assert (entry["actor"], entry["evidence"]["reason"]) == ("ada", "better")
    assert json.loads(call("alerts", "--json")[1]) == []
    assert {each["verdict"] for each in json.loads(call("check", "flights", "--json")[1])}


def test_program_names_its_version_and_completes_commands():
    assert call("--version")[1].startswith("mainspring ")
    assert "--install-completion" in call("--help")[1]


def test_refused_version_is_promoted_only_if_it_is_confirmed(home):
    refused = {"reason": "roc_auc shows no gain"}
    open_ledger().record(Entry("flights", "refused", "decision:3", START, "gate", 3, refused))
    code, said = call("promote", "flights", "3", "--reason", "it must be")
    assert code == 1
    assert "version 3 was refused on 2013-04-01: roc_auc shows no gain" in said
    assert "--yes" in said
    code, said = call("promote", "flights", "3", "--reason", "it must be", "--yes")
    assert "version 3 not found" in said, "it goes on to the registry"
