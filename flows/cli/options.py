"""Arguments and options that several commands of `mainspring` have."""

from __future__ import annotations

import getpass
import json
import os
from datetime import datetime
from typing import Annotated

import typer

from configs.errors import BadConfig
from configs.settings import settings


def read_user_name() -> str:
    """Return the name of this process's user; its number if the system knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # of Python to 3.12, and from 3.13
        return f"uid {os.getuid()}"


def choose_version(use_case: str, version: int | None) -> int:
    """Return a version, by default the champion; BadConfig if there is none."""
    from tasks.ledger.log import open_ledger
    from tasks.ledger.projections import find_champion

    champion = find_champion(open_ledger().entries(use_case))
    number = version or (champion.version if champion else None)
    if number is None:
        raise BadConfig(f"{use_case} has no champion. Name a version: --version 1")
    return number


def complete_use_case(incomplete: str) -> list[str]:
    """Return the use cases that begin with what was typed, for the shell's completion."""
    names = (path.stem for path in sorted(settings().use_cases.glob("*.yaml")))
    return [name for name in names if name.startswith(incomplete)]


def print_json(facts: object) -> None:
    """Print facts as JSON, without colours and line breaks of the terminal; moments are in ISO."""
    typer.echo(json.dumps(facts, indent=2, default=_as_json))


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


Name = Annotated[
    str,
    typer.Argument(
        help="Use case: the name of a file in configs/, without .yaml.",
        autocompletion=complete_use_case,
    ),
]
AnyName = Annotated[
    str | None,
    typer.Argument(help="Use case (default: all).", autocompletion=complete_use_case),
]
LARGEST = 2**31 - 1  # of a database's integer column
Version = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Version of the model.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, max=LARGEST, help="Version of the model.")
]
Reason = Annotated[str, typer.Option(help="Reason, recorded in the ledger.")]
By = Annotated[
    str,
    typer.Option(default_factory=read_user_name, help="Your name, recorded in the ledger."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, help="When it takes effect, UTC (default: now)."),
]
