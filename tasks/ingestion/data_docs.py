"""Data Docs of Great Expectations, with foreign text escaped and without scripts."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from configs.foreign_text import neutralise_text
from tasks.reporting.html import simplify_page
from tasks.storage import files

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext


def write_data_docs(context: EphemeralDataContext, address: str) -> str:
    """Write the Data Docs of a context, HTML pages alone; return the address of the first one."""
    _escape_stores(context)
    with TemporaryDirectory() as folder:
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}
        index = {"class_name": "DefaultSiteIndexBuilder"}
        site = {"class_name": "SiteBuilder", "store_backend": backend}
        context.add_data_docs_site("run", {**site, "site_index_builder": index})
        context.build_data_docs(site_names=["run"])
        for page in Path(folder).rglob("*.html"):
            page.write_text(simplify_page(page.read_text()))
        files.upload_folder(Path(folder), address, "*.html")
    return f"{address}/index.html"


def name_docs_run(path: str) -> str:
    """Return a landed file's path as a name, which is part of a path and of a page."""
    return re.sub(r"[^\w.-]", "-", path)


def _escape_stores(context: EphemeralDataContext) -> None:
    """Escape all texts of suites and results: Great Expectations puts them into pages as they are.

    Its stores in memory hold JSON, in which the escaped characters occur within texts alone.
    """
    for store in (context.expectations_store, context.validation_results_store):
        texts = store._store_backend._store
        for key, text in texts.items():
            texts[key] = escape(neutralise_text(text), quote=False)
