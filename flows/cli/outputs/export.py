"""The command `export`: a version as one ONNX file for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from flows.cli.options import Name, VersionOption, choose_version
from tasks.reporting.terminal import render_text

_console = Console()


def export(
    use_case: Name,
    target: Annotated[Path, typer.Argument(help="File to write, for example model.onnx.")],
    version: VersionOption = None,
    layout: Annotated[
        Literal["columns", "vectors", "blocks"],
        typer.Option(
            help="Inputs: a tensor (rows, 1) a column, a tensor (rows,) a column, or the two "
            "tensors `numeric` and `categorical`."
        ),
    ] = "columns",
) -> None:
    """Write a version as one ONNX file that takes raw columns and returns value and decision.

    Numbers are float32, and a missing one is NaN. Categories are text, and a missing one is ␀
    (U+2400). The file is compared with the version on its golden rows first.
    """
    from infra.storage.atomic import write_atomically
    from tasks.models.one_file.export import export_one_file
    from tasks.models.registry import open_model

    number = choose_version(use_case, version)
    exported = export_one_file(open_model(use_case, number), layout)
    write_atomically(target, exported.onnx)
    difference = f"largest difference {exported.max_difference:.2g}"
    _console.print(
        render_text(
            f"{target}: version {number} of {use_case}, {len(exported.onnx):,} bytes; "
            f"{exported.rows} golden rows predicted as by the version, {difference}"
        )
    )
