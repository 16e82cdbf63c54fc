"""The examples of docs/files.md: part of a table, a file, and its rows or the refusal."""

import json
from datetime import UTC, datetime

import pytest
import yaml
from markdown_it import MarkdownIt

from configs.errors import RefusedBatch
from configs.schema.data import Table
from configs.settings import ROOT
from tasks.ingestion.parsing.file_schema import parse_file

PAGE = (ROOT / "docs/files.md").read_text()
FENCES = [token for token in MarkdownIt().parse(PAGE) if token.type == "fence"]
EXAMPLES = [FENCES[place : place + 3] for place in range(0, len(FENCES), 3)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_gives_what_the_page_says(example: list) -> None:
    declared, file, expected = example
    assert (declared.info, file.info) == ("yaml", "csv")
    fields = yaml.safe_load(declared.content)
    key = [next(iter(fields["columns"]))]
    times = {"known_from": datetime(2024, 1, 1, tzinfo=UTC)}
    table = Table.model_validate({"files": "*.csv", "keys": key, "suite": "s", **times, **fields})
    if expected.info == "text":
        with pytest.raises(RefusedBatch) as refused:
            parse_file(file.content.encode(), "a.csv", table)
        assert expected.content.strip() in str(refused.value)
    else:
        rows = parse_file(file.content.encode(), "a.csv", table)
        told = json.loads(json.dumps(rows.to_dicts(), default=lambda at: f"{at:%Y-%m-%d %H:%M:%S}"))
        assert told == json.loads(expected.content)
