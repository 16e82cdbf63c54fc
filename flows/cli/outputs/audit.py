"""The commands `audit` and `sbom`: evidence about a version and its packages, as files."""

from __future__ import annotations

import json
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from configs.clock import utc_or_now
from flows.cli.options import Name, VersionOption, choose_version
from tasks.reporting.terminal import render_text

_console = Console()


def audit(
    use_case: Name,
    out: Annotated[Path, typer.Option("--out", help="File to write, like flights-2.zip.")],
    version: VersionOption = None,
) -> None:
    """Write a version as one archive for an auditor; `python FILE` verifies it.

    It has the model files, card, gate tables, approvals, ledger, data versions, packages, and the
    digest of each file. The script inside needs nothing but Python.
    """
    from flows.cli.views.history import find_ledger_name
    from infra.storage.atomic import write_atomically
    from tasks.audit.archive import build_audit_archive, read_archive_digest

    model = find_ledger_name(use_case)
    number = choose_version(model, version)
    archive = build_audit_archive(model, number, utc_or_now())
    write_atomically(out, archive)
    written = f"{out}: version {number} of {model}, {len(archive):,} bytes"
    digest = f"digest {read_archive_digest(archive)}"
    _console.print(render_text(f"{written}. Give the auditor this {digest}"), soft_wrap=True)


def sbom(
    out: Annotated[Path, typer.Option("--out", help="File to write, like sbom.json.")],
    lock: Annotated[
        Path | None,
        typer.Option(help="Lock file to read, like infra/image.lock (default: that of the clone)."),
    ] = None,
) -> None:
    """Write the packages of a lock file as CycloneDX JSON, with their hashes."""
    from infra.sbom import build_sbom, describe_software, find_lock_file, read_lock_file
    from infra.storage.atomic import write_atomically

    file = lock or find_lock_file()
    subject = describe_software("mainspring", installed_version("mainspring"))
    document = build_sbom(read_lock_file(file), subject)
    write_atomically(out, f"{json.dumps(document, indent=1)}\n")
    _console.print(render_text(f"{out}: {len(document['components'])} packages of {file}"))
