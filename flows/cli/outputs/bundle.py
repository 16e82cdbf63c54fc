"""The command `bundle`: a version as files that serve it in another system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.options import Name, VersionOption, choose_version
from tasks.reporting.terminal import render_text

_console = Console()


def bundle(
    use_case: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder to write; made if it is missing.")],
    version: VersionOption = None,
    target: Annotated[
        str | None,
        typer.Option("--for", help="Add the files of this target, like lambda or torchserve."),
    ] = None,
) -> None:
    """Write a version as a bundle: model, card, golden rows and a handler that checks them.

    The handler needs numpy and onnxruntime only. It predicts what batch scoring predicts.
    """
    from configs.schema.loading import load_use_case
    from infra.storage.atomic import write_atomically
    from tasks.models.registry import open_model
    from tasks.targets.bundle import build_bundle

    number = choose_version(use_case, version)
    files = build_bundle(load_use_case(use_case), open_model(use_case, number), target)
    for name, content in files.items():
        write_atomically(out / name, content)
    size = sum(map(len, files.values()))
    purpose = f" for {target}" if target else ""
    message = f"{out}: version {number} of {use_case}{purpose}, {len(files)} files, {size:,} bytes"
    _console.print(render_text(f"{message}. {out / 'README.md'} says how to use it"))
