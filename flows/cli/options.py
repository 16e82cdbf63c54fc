"""Arguments and options that several commands of `mainspring` have."""

from __future__ import annotations

import getpass
import os
from datetime import datetime
from typing import Annotated

import typer


def read_user_name() -> str:
    """Return the name of this process's user; its number if the system knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # of Python to 3.12, and from 3.13
        return f"uid {os.getuid()}"


Name = Annotated[
    str, typer.Argument(help="Use case: the name of a file in configs/, without .yaml.")
]
AnyName = Annotated[str | None, typer.Argument(help="Use case (default: all).")]
Version = Annotated[int, typer.Argument(help="Version of the model.")]
Reason = Annotated[str, typer.Option(help="Reason, recorded in the ledger.")]
By = Annotated[
    str,
    typer.Option(default_factory=read_user_name, help="Your name, recorded in the ledger."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
AsOf = Annotated[datetime | None, typer.Option(help="When it takes effect, UTC (default: now).")]
