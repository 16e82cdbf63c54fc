"""The examples of docs/files.md with one file: its rows, or the refusal."""

import json

import pytest

from configs.errors import RefusedBatch
from tasks.ingestion.parsing.file_schema import parse_file
from tests.support.page_examples import PageExample, read_page_examples, read_table, to_plain

EXAMPLES = [each for each in read_page_examples() if not each.is_story]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_gives_what_the_page_says(example: PageExample) -> None:
    (declared, fields), (kind, file) = example.steps
    assert (declared, kind) == ("yaml", "csv")
    table, (outcome, expected) = read_table(fields), example.expected
    if outcome == "text":
        with pytest.raises(RefusedBatch) as refused:
            parse_file(file.encode(), "a.csv", table)
        assert expected.strip() in str(refused.value)
    else:
        rows = parse_file(file.encode(), "a.csv", table)
        assert to_plain(rows) == json.loads(expected)
