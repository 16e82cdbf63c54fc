"""Local times of a sample: their zone is asked for, and the latest time is when a row is known."""

import polars as pl
import pytest

from configs.errors import BadConfig
from tasks.scaffold.plan import GivenAnswers
from tasks.scaffold.resolution.resolve import make_plan, propose_known_time
from tasks.scaffold.resolution.zone import find_local_times
from tasks.scaffold.sample import read_sample


def write_times(folder, times) -> str:
    ids = range(len(times))
    rows = pl.DataFrame({"id": ids, "at": times, "amount": ids, "paid": [n % 2 for n in ids]})
    (folder / "rows.csv").write_text(rows.write_csv())
    return f"{folder}/rows.csv"


def plan_rows(path: str, **flags):
    asked = []

    def answer(flag, question, proposal):
        asked.append(flag)
        return flags.get(flag, proposal)

    zone = flags.pop("zone", "")
    answers = GivenAnswers("payment", {"rows": path}, label="rows.paid", after="0m", zone=zone)
    return make_plan(answers, answer), asked


LOCAL = ["2024-07-01 14:00:00", "2024-07-02 15:30:00"]
FORMS = [
    (LOCAL, True),
    (["2024-07-01T14:00", "2024-07-02T15:30"], True),
    (["01.07.2024 14:00", "22.07.2024 15:30"], True),
    (["2024-07-01T14:00:00Z", "2024-07-02T15:30:00Z"], False),
    (["2024-07-01T14:00:00+02:00", "2024-07-02T15:30:00+02:00"], False),
    (["2024-07-01 14:00 UTC", "2024-07-02 15:30 UTC"], False),
    (["2024-07-01T14:00:00Z", "2024-07-02 15:30:00"], True),
    (["2024-07-01", "2024-07-02"], False),
    (["1719842400", "1719934200"], False),
]


@pytest.mark.parametrize(("times", "local"), FORMS)
def test_find_local_times(tmp_path, times, local):
    assert find_local_times(read_sample("rows", write_times(tmp_path, times))) == ["at"] * local


def test_find_local_times_in_parquet(tmp_path):
    times = pl.Series(LOCAL).str.to_datetime()
    frame = pl.DataFrame({"a": times, "b": times.dt.replace_time_zone("UTC"), "c": times.dt.date()})
    frame.write_parquet(tmp_path / "rows.parquet")
    assert find_local_times(read_sample("rows", f"{tmp_path}/rows.parquet")) == ["a"]


@pytest.mark.parametrize(("times", "local"), FORMS)
def test_only_local_times_ask_for_a_zone(tmp_path, times, local):
    assert ("--zone" in plan_rows(write_times(tmp_path, times * 2))[1]) == local


def test_local_times_are_read_in_the_given_zone(tmp_path):
    path = write_times(tmp_path, LOCAL * 2)
    plan, _ = plan_rows(path, **{"--zone": "Europe/Amsterdam"})
    assert plan.zone == "Europe/Amsterdam"
    assert plan.subject.sample.declare("at")["zone"] == "Europe/Amsterdam"
    assert plan.subject.sample.rows["at"].dt.hour().to_list()[:2] == [12, 13]
    assert plan_rows(path)[0].subject.sample.declare("at") == "time", "UTC is proposed"


@pytest.mark.parametrize(
    ("times", "zone", "message"),
    [
        (LOCAL, "Amsterdam", "--zone Amsterdam: no such zone"),
        (LOCAL, "../etc", "no such zone"),
        (["2024-03-31 02:30:00", LOCAL[0]], "Europe/Amsterdam", "twice or never"),
        (["2024-10-27 02:30:00", LOCAL[0]], "Europe/Amsterdam", "twice or never"),
    ],
)
def test_a_zone_that_does_not_fit_is_refused(tmp_path, times, zone, message):
    with pytest.raises(BadConfig, match=message):
        plan_rows(write_times(tmp_path, times), zone=zone)


@pytest.mark.parametrize(
    ("columns", "proposed"),
    [
        ({"a": [1, 2, 3]}, "a"),
        ({"a": [1, 2, 3], "b": [2, 2, 4]}, "b"),
        ({"b": [2, 2, 4], "a": [1, 2, 3]}, "b"),
        ({"a": [1, 2, 3], "b": [2, 2, 4], "c": [5, 6, 7]}, "c"),
        ({"a": [1, 2, 3], "b": [2, 1, 4]}, "a"),
        ({"a": [1, 2, 3], "b": [2, None, 4]}, "a"),
        ({"a": [3, 3, 3], "b": [1, 1, 1]}, "a"),
    ],
)
def test_the_latest_of_several_times_is_proposed_as_known_time(tmp_path, columns, proposed):
    days = {
        name: [None if day is None else f"2024-01-0{day}T00:00:00Z" for day in values]
        for name, values in columns.items()
    }
    (tmp_path / "rows.csv").write_text(pl.DataFrame(days).write_csv())
    sample = read_sample("rows", f"{tmp_path}/rows.csv")
    assert propose_known_time(sample, "a") == proposed
