"""Prediction keys as text, and what an invalid one is told."""

from datetime import UTC, datetime

import polars as pl
import pytest

from configs.errors import NoRows, Terminal
from configs.schema.loading import load_use_case
from tasks.scoring.prediction_keys import filter_by_key, find_prediction, format_key, parse_key

FLIGHTS = load_use_case("flights")
DAY = datetime(2013, 1, 11, tzinfo=UTC)
KEY = {"carrier": "UA", "flight": 1545, "origin": "EWR", "flight_date": DAY}
TABLE = pl.DataFrame([KEY, KEY | {"flight": 2}]).lazy()
TEXT = "UA/1545/EWR/2013-01-11"


def test_format_key_writes_midnight_as_a_date():
    assert format_key(list(KEY.values())) == TEXT
    assert format_key([DAY.replace(hour=3)]) == "2013-01-11T03:00:00+00:00"


@pytest.mark.parametrize(
    "text", [TEXT, "flight=1545, carrier=UA, origin=EWR,flight_date=2013-01-11"]
)
def test_parse_key_reads_values_in_order_and_by_name(text):
    assert parse_key(FLIGHTS, text, TABLE) == KEY
    assert filter_by_key(TABLE, KEY).collect().height == 1


@pytest.mark.parametrize("text", ["UA/1545", "carrier=UA", "UA/x/EWR/2013-01-11", "UA/1/EWR/then"])
def test_parse_key_names_the_columns_of_an_invalid_key(text):
    with pytest.raises(Terminal, match="a key is carrier/flight/origin/flight_date, for example "):
        parse_key(FLIGHTS, text, TABLE)


def test_find_prediction_without_a_table_names_the_score_flow(home):
    with pytest.raises(NoRows, match="score flow"):
        find_prediction(FLIGHTS, TEXT)
