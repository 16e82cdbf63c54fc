"""Tables at narrow and wide terminals: each row is another one, and no date loses its day."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tasks.reporting.table import Column, Table, build_table
from tasks.reporting.terminal import render_terminal

START = datetime(2013, 4, 1, 23, 20, tzinfo=UTC)
NAMES = [f"airport_delay_of_all_carriers_in_the_last_{hours}h_before" for hours in (1, 3, 24, 240)]


def show(table: Table, width: int) -> str:
    console = Console(width=width, file=open("/dev/null", "w"), record=True)  # noqa: SIM115, PTH123
    console.print(render_terminal(table))
    return console.export_text()


def squeeze(text: str) -> str:
    """The characters of a rendered table without its frame and its line breaks."""
    return re.sub(r"[\s│┃━┏┓┡┩└┘─┴┬┳╇]", "", text)


def build(names: list[str]) -> Table:
    rows = [
        (name, 0.25, START + timedelta(days=day), "the value is 0.3 (limit 0.1); bad in 2 of 3")
        for day, name in enumerate(names)
    ]
    return build_table(["input", "value", Column("known (UTC)", wrap=False), "evidence"], rows)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140, 250])
def test_rows_stay_different_and_dates_stay_whole_at_any_width(width):
    text = show(build(NAMES), width)
    for day in range(len(NAMES)):
        assert f"2013-04-0{1 + day}" in text
    assert all(len(line) <= width for line in text.splitlines())
    for row, name in enumerate(NAMES):
        alone = squeeze(show(build_table(["input"], [[name]]), width))
        assert name in alone, row


@given(st.lists(st.text("abc_日 x", min_size=1, max_size=60), min_size=1, max_size=5),
       st.integers(12, 160))  # fmt: skip
def test_no_character_of_a_cell_is_lost(names, width):
    text = squeeze(show(build_table(["input"], [[name] for name in names]), width))
    assert all(squeeze(name) in text for name in names)
