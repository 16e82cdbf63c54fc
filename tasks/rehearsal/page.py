"""Page of a rehearsal: one self-contained HTML file among the reports of the use case."""

from __future__ import annotations

from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.rehearsal.run import Rehearsal
from tasks.rehearsal.tables import describe_rehearsal, list_remarks, tabulate_rehearsal
from tasks.reporting.html import render_html
from tasks.reporting.markdown import escape_markdown, render_markdown
from tasks.storage import files


def write_rehearsal_page(use_case: UseCase, rehearsal: Rehearsal) -> str:
    """Write the page of a rehearsal; return its address."""
    tables = tabulate_rehearsal(rehearsal)
    text = "\n\n".join(
        [
            f"# Rehearsal: {escape_markdown(use_case.title)}",
            escape_markdown(describe_rehearsal(rehearsal)),
            *(f"## {escape_markdown(each.title)}\n{render_markdown(each)}" for each in tables),
            "\n".join(f"- {escape_markdown(remark)}" for remark in list_remarks(rehearsal)),
        ]
    )
    address = f"{settings().reports}/{use_case.name}/rehearsal.html"
    page = render_html(f"{text}\n", f"{use_case.name}: rehearsal of version {rehearsal.version}")
    files.write_file(address, page.encode())
    return address
