"""The examples of docs/files.md in which files land one after the other."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.ingestion.landing import FileVerdict
from tasks.ingestion.schema_migration import apply_migration, plan_migration
from tasks.ledger.log import open_ledger
from tests.support.landing import ingest_landed, rows_of
from tests.support.page_examples import PageExample, page, read_page_examples, read_table, to_plain

STORIES = [each for each in read_page_examples() if each.is_story]
RULES = ("half-written", "again", "duplicates", "corrections", "late", "registers", "encodings",
         "schema")  # fmt: skip


def use_page_table(fields: str) -> UseCase:
    update = {"tables": {"table": read_table(fields)}, "expectations": page.__module__}
    return load_use_case("flights").model_copy(update=update)


def land_page_file(info: str, text: str, use_case: UseCase) -> datetime:
    """Write a file just before noon of its name's day; return noon."""
    _, name, *unfinished = info.split()
    path = Path(settings().landing) / "flights/table" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.removesuffix("\n") if unfinished else text
    path.write_bytes(content.encode(use_case.tables["table"].csv.encoding))
    noon = datetime.fromisoformat(name[:10]).replace(hour=12, tzinfo=UTC)
    modified = (noon - timedelta(minutes=1)).timestamp()
    os.utime(path, (modified, modified))
    return noon


def describe_verdict(verdict: FileVerdict) -> str:
    counts = {
        "new": verdict.accepted,
        f"quarantined as {verdict.reason}": verdict.quarantined,
        "repeated": verdict.repeated,
    }
    parts = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    return f"{Path(verdict.file.path).name} {verdict.status}" + (f": {parts}" if parts else "")


@pytest.mark.parametrize("story", STORIES, ids=RULES)
def test_files_become_what_the_page_says(home: Path, story: PageExample) -> None:
    outcome: list[str] = []
    for info, text in story.steps:
        if info == "yaml":
            use_case = use_page_table(text)
            plan = plan_migration(use_case)
            apply_migration(open_ledger(), use_case, plan, datetime.now(UTC), "ada")
            continue
        noon = land_page_file(info, text, use_case)
        outcome += [describe_verdict(verdict) for verdict in ingest_landed(use_case, noon).verdicts]
    kind, expected = story.expected
    if kind == "text":
        assert outcome == expected.splitlines()
    else:
        columns = list(use_case.tables["table"].columns)
        assert to_plain(rows_of(use_case, "raw/table").select(columns)) == json.loads(expected)
