"""Frame of every command: state folder, errors as sentences, hint at the demo's results."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer._click.exceptions import ClickException, NoArgsIsHelpError
from typer.core import TyperGroup

from configs.errors import BadConfig, MainspringError
from configs.paths import sqlite_path
from configs.settings import settings
from tasks.reporting.terminal import render_text

STATE_VARIABLE = "MAINSPRING_STATE"
_DEMO = Annotated[bool, typer.Option("--demo", help="Use the state folder of `mainspring demo`.")]
_STATE = Annotated[
    Path | None, typer.Option(help="State folder (default: MAINSPRING_STATE, or .mainspring).")
]
_CONSOLE = Console(stderr=True)


class MainspringGroup(TyperGroup):
    """The commands of Mainspring; a wrong command line is an error like any other."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:  # noqa: ANN401
        """Run a command and leave the process with its exit code."""
        run = partial(super().main, *args, **{**extra, "standalone_mode": False})
        if not standalone_mode:
            return run()
        try:
            code = run()
        except NoArgsIsHelpError as no_arguments:
            no_arguments.show()
            sys.exit(no_arguments.exit_code)
        except ClickException as error:
            print_error(error.format_message())
            if (context := getattr(error, "ctx", None)) is not None:
                _CONSOLE.print(render_text(f"See {context.command_path} --help"), soft_wrap=True)
            sys.exit(error.exit_code)
        except typer.Abort:
            print_error("interrupted; nothing more is done")
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def frame_command(function: Callable[..., None], *, hint: bool = True) -> Callable[..., None]:
    """Return a command with `--demo` and `--state` that prints errors as a sentence.

    An error ends it with exit code 1.

    Args:
        function: The command.
        hint: Whether to point at the demo's results if the state folder is empty.
    """
    signature = inspect.signature(function, eval_str=True)
    shared = [] if "state" in signature.parameters else _shared_options()

    @functools.wraps(function)
    def framed(*args: object, demo: bool = False, state: Path | None = None, **values: Any) -> None:  # noqa: ANN401
        if not shared and state is not None:
            values["state"] = state
        with _errors_as_sentences(), use_state(state if shared else None, demo=demo):
            _require_text(values)
            try:
                function(*args, **values)
            finally:
                if hint:
                    _point_at_demo()

    framed.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *shared]
    )
    return framed


def _shared_options() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("demo", kind, default=False, annotation=_DEMO),
        inspect.Parameter("state", kind, default=None, annotation=_STATE),
    ]


@contextmanager
def use_state(folder: Path | None, *, demo: bool = False) -> Iterator[None]:
    """Let the block use a state folder, or that of the demo; by default the configured one."""
    chosen = _choose_state(folder, demo=demo)
    if chosen is None:
        yield
        return
    with hold_variable(STATE_VARIABLE, str(chosen)):
        yield


@contextmanager
def hold_variable(name: str, value: str) -> Iterator[None]:
    """Let an environment variable have a value in the block; the settings are read again.

    Args:
        name: of the variable.
        value: until the end of the block.
    """
    before = os.environ.get(name)
    os.environ[name] = value
    forget_settings()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name)
        else:
            os.environ[name] = before
        forget_settings()


def forget_settings() -> None:
    """Read the settings again when they are needed next."""
    from tasks.ledger.log import open_ledger

    settings.cache_clear()
    open_ledger.cache_clear()


def demo_folder() -> Path:
    """Return the state folder of the demo, also if the settings point at it already."""
    state = settings().state
    return state if state.name == "demo" else state / "demo"


def print_error(message: str) -> None:
    """Print an error as a sentence, on one line however long it is."""
    text = Text.assemble(("Error:", "bold red"), " ", render_text(message))
    _CONSOLE.print(text, soft_wrap=True)


def _choose_state(folder: Path | None, *, demo: bool) -> Path | None:
    if not demo:
        return folder and folder.resolve()
    if folder is not None:
        raise BadConfig("--demo and --state: give one of them")
    if not demo_folder().is_dir():
        raise BadConfig(f"--demo: {demo_folder()} not found; run mainspring demo first")
    return demo_folder()


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except (typer.Exit, typer.Abort, ClickException, KeyboardInterrupt):
        raise
    except MainspringError as error:
        print_error(str(error))
        raise typer.Exit(1) from error
    except Exception as error:
        if settings().traceback:
            raise
        print_error(
            f"{_first_line(error)}. Nothing foresees this error; set MAINSPRING_TRACEBACK=true to "
            "see where it happens"
        )
        raise typer.Exit(1) from error


def _first_line(error: Exception) -> str:
    only = error.args[0] if len(error.args) == 1 else error  # KeyError puts it in quotes
    lines = str(only).strip().splitlines()
    return lines[0].rstrip(".") if lines else "the command failed without a reason"


def _require_text(options: Mapping[str, object]) -> None:
    """Raise BadConfig if a text of the command line is not valid UTF-8: no database keeps it."""
    for name, value in options.items():
        if isinstance(value, str) and value.encode(errors="replace").decode() != value:
            raise BadConfig(f"{name}: {value!r:.60} is not valid UTF-8; write it in UTF-8")


def _point_at_demo() -> None:
    """Say where results are if the state folder has none, and the demo's has some."""
    with suppress(MainspringError):  # of a damaged ledger, which is not empty
        state, demo = settings().state, demo_folder()
        if state != demo and (demo / "ledger.db").is_file() and is_empty_state():
            text = f"Nothing is recorded in {state} yet. The demo's results are in {demo}"
            _CONSOLE.print(render_text(f"{text}: add --demo", "yellow"), soft_wrap=True)


def is_empty_state() -> bool:
    """Return whether the ledger has no entry; a missing ledger is not created."""
    from tasks.ledger.log import open_ledger

    file = sqlite_path(settings().ledger_url)
    return file is not None and (not file.is_file() or not open_ledger().entries())
