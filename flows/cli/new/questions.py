"""Questions of `mainspring new` in a terminal; an invalid answer costs that answer alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TypeVar

import typer
from rich.console import Console

from configs.errors import BadConfig
from tasks.reporting.terminal import render_text

Result = TypeVar("Result")
_TRIES = 3


class Questions:
    """Asks a person, and remembers the answers by their flag."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._answers: dict[str, str] = {}
        self._read: list[str] = []
        console.print("[dim]press Enter to take the value in brackets[/]")

    def __call__(self, flag: str, question: str, proposal: str) -> str:
        """Return the answer to a question, which is asked once."""
        if flag not in self._answers:
            try:
                answer = typer.prompt(question, default=proposal, show_default=bool(proposal))
            except typer.Abort:
                self._print_answers()
                raise
            self._answers[flag] = str(answer).strip()
        self._read.append(flag)
        return self._answers[flag]

    def repeat(self, make: Callable[[], Result]) -> Result:
        """Return what `make` makes of the answers; while they are invalid, ask the last one again.

        Raises BadConfig if it does not depend on an answer, or after three tries.
        """
        errors: list[str] = []
        while True:
            self._read.clear()
            try:
                return make()
            except BadConfig as error:
                errors.append(str(error))
                if not self._read or errors[-_TRIES:] == [str(error)] * _TRIES:
                    self._print_answers()
                    raise
                self._console.print(render_text(str(error), "yellow"))
                del self._answers[self._read[-1]]

    def _print_answers(self) -> None:
        """Print the answers as flags, with which the command needs no questions again."""
        flags = []
        for flag, answer in self._answers.items():
            name, _, place = flag.partition(" ")
            if answer and place != "name=files":
                flags.append(f"{name} {shlex.quote(place.replace('…', answer) or answer)}")
        if flags:
            self._console.print(render_text(f"\nyour answers: {' '.join(flags)}"))
