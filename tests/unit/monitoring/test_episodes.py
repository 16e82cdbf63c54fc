"""Hysteresis: how many of the last windows open an episode and end it, and whose windows count."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.schema.loading import load_use_case
from configs.schema.monitoring import ContractRule, DriftRule, PerformanceRule, Rule
from configs.schema.use_case import UseCase
from tasks.ledger.descriptions import read_severity
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.projections import list_open_episodes
from tasks.ledger.state import fold_ledger
from tasks.monitoring.episodes import find_episode_changes, find_rule
from tasks.monitoring.measurements import Measurement, MeasurementVerdict, build_measurement_rows

START = datetime(2024, 3, 4, tzinfo=UTC)
WEEK = timedelta(days=7)
CAUSE = "drift:carrier"
VERDICTS: dict[str, MeasurementVerdict | None] = {
    ".": "ok", "i": "inform", "T": "ticket", "P": "page", " ": None,
}  # fmt: skip


def flights_with_drift_rule(**rule: Any) -> UseCase:
    """The flights, whose drift is judged by a rule."""
    case = load_use_case("flights")
    monitor = case.monitor.model_copy(update={"drift": DriftRule(**rule)})
    return case.model_copy(update={"monitor": monitor})


def window(number: int, verdict: MeasurementVerdict | None, version: int = 1) -> pl.DataFrame:
    at = START + number * WEEK
    found = Measurement("drift", "carrier", at - WEEK, at, 0.3, 0.0, 0.1, rows=9, verdict=verdict)
    return build_measurement_rows([found], at, version)


def promoted_entry(version: int, seq: int, at: datetime, what: Any = "promoted") -> Entry:
    return Entry("flights", what, f"{what}:{version}:{seq}", at, "test", version, seq=seq)


def play_windows(case: UseCase, verdicts: str) -> str:
    """A letter a window: is the episode open after it (o) or not (-)."""
    entries = [promoted_entry(1, 1, START - WEEK)]
    rows = window(0, None).clear()
    said = ""
    for number, letter in enumerate(verdicts):
        rows = pl.concat([rows, window(number, VERDICTS[letter])])
        for entry in find_episode_changes(case, fold_ledger(entries), rows, START + number * WEEK):
            entries.append(Entry(**{**vars(entry), "seq": len(entries) + 1}))
        said += "o" if list_open_episodes(entries) else "-"
    return said


@pytest.mark.parametrize(
    ("bad", "of", "verdicts", "is_open"),
    [
        (1, 1, "..P.PP.", "--o-oo-"),
        (2, 2, "P.PP..", "---o--"),
        (2, 3, "P.P.P..", "--o-o--"),
        (2, 3, "PP....", "-oo---"),
        (2, 3, "P..P...", "-------"),
        (3, 5, "PP.PP....", "---ooo---"),
        (1, 3, "P...P", "ooo-o"),
        (2, 3, "P P .. .", "--ooo---"),
        (2, 2, "PiP", "---"),
        (1, 1, "TP.", "oo-"),
        (1, 1, "ii", "--"),
    ],
)
def test_an_episode_opens_and_closes_with_the_last_windows(
    bad: int, of: int, verdicts: str, is_open: str
) -> None:
    assert play_windows(flights_with_drift_rule(bad=bad, of=of), verdicts) == is_open


@given(verdicts=st.text(".TPi ", max_size=14), of=st.integers(1, 4), data=st.data())
def test_an_open_episode_is_always_explained_by_the_windows(
    verdicts: str, of: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(1, of))
    state = "-"
    for number, after in enumerate(play_windows(flights_with_drift_rule(bad=bad, of=of), verdicts)):
        judged = verdicts[: number + 1].replace(" ", "")
        enough = sum(letter in "TP" for letter in judged[-of:]) >= bad
        if (state, after) == ("-", "o"):
            assert verdicts[number] in "TP"
            assert enough
        if (state, after) == ("o", "-"):
            assert verdicts[number] in ".i"
            assert not enough
        state = after


def test_windows_of_another_version_count_for_nothing() -> None:
    case, rows = (
        flights_with_drift_rule(bad=2, of=2),
        [window(0, "page"), window(1, "page", version=2)],
    )
    entries = [promoted_entry(1, 1, START - WEEK), promoted_entry(2, 2, START + WEEK / 2)]
    assert find_episode_changes(case, fold_ledger(entries), pl.concat(rows), START + WEEK) == []
    rows.append(window(2, "page", version=2))
    (opened,) = find_episode_changes(case, fold_ledger(entries), pl.concat(rows), START + 2 * WEEK)
    assert opened.version == 2


def test_the_past_is_judged_without_the_windows_after_it() -> None:
    rows = pl.concat([window(0, "page"), window(1, "page")])
    assert (
        find_episode_changes(
            flights_with_drift_rule(bad=2, of=2),
            fold_ledger([promoted_entry(1, 1, START - WEEK)]),
            rows,
            START,
        )
        == []
    )


def test_change_episodes_keeps_the_order_of_measurements() -> None:
    earlier = window(0, "ok")
    later = [Measurement("drift", name, START, START + WEEK, 1.0, verdict="page")
             for name in ("dest", "carrier")]  # fmt: skip
    rows = pl.concat([earlier, build_measurement_rows(later, START + WEEK, 1)])
    found = find_episode_changes(
        flights_with_drift_rule(),
        fold_ledger([promoted_entry(1, 1, START - WEEK)]),
        rows,
        START + WEEK,
    )
    assert [entry.evidence["cause"] for entry in found] == ["drift:dest", "drift:carrier"]


def test_change_episodes_states_severity_and_bad_windows() -> None:
    rows = pl.concat([window(0, "ticket"), window(1, "ok"), window(2, "ticket")])
    entries = [promoted_entry(1, 1, START - WEEK)]
    (opened,) = find_episode_changes(
        flights_with_drift_rule(bad=2, of=3), fold_ledger(entries), rows, START + 2 * WEEK
    )
    assert read_severity(opened) == "ticket"
    expected = "drift:carrier is 0.3, reference 0, limit 0.1; bad in 2 of 3 windows"
    assert opened.evidence["message"] == expected


def test_a_number_without_reference_and_limit_is_told_of_too() -> None:
    number = Measurement("bake", "cost", START - WEEK, START, None, verdict="page")
    rows = build_measurement_rows([number], START, 1)
    (opened,) = find_episode_changes(
        flights_with_drift_rule(), fold_ledger([promoted_entry(1, 1, START - WEEK)]), rows, START
    )
    assert (opened.evidence["kind"], opened.evidence["message"]) == ("bake", "bake:cost is bad")


@pytest.mark.parametrize(
    ("what", "said"),
    [("promoted", "version 3 took over"), ("rolled_back", "version 3 came back")],
)
def test_who_took_over_is_said(what: str, said: str, tmp_path: Path) -> None:
    entries = [promoted_entry(1, 1, START - WEEK)]
    (opened,) = find_episode_changes(
        flights_with_drift_rule(), fold_ledger(entries), window(0, "page"), START
    )
    entries += [Entry(**{**vars(opened), "seq": 2}), promoted_entry(3, 3, START, what)]
    (closed,) = find_episode_changes(
        flights_with_drift_rule(), fold_ledger(entries), window(1, "page"), START + WEEK
    )
    assert closed.evidence["reason"] == said
    assert closed.evidence["severity"] == "page"


def test_episodes_from_before_there_were_severities_are_pages(tmp_path: Path) -> None:
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    old = Entry("flights", "episode_opened", "episode:x", START, "monitor", 1, {"cause": "x"})
    assert read_severity(book.record(old)[0]) == "page"


def test_a_silence_is_not_the_monitors_to_end() -> None:
    cause = {"cause": "silence:landed", "kind": "silence", "severity": "page"}
    silent = Entry("flights", "episode_opened", "episode:s", START, "watch", 1, cause, seq=2)
    entries = [promoted_entry(1, 1, START - WEEK), silent, promoted_entry(2, 3, START)]
    assert (
        find_episode_changes(
            flights_with_drift_rule(), fold_ledger(entries), window(1, "ok", 2), START + WEEK
        )
        == []
    )


def test_each_cause_has_the_rule_of_its_kind() -> None:
    case = load_use_case("flights")
    auc = PerformanceRule(metric="roc_auc", window=5 * WEEK, worse_by=0.1, bad=2, of=4)
    changed = {"performance": (auc,), "contract": ContractRule(of=3), "drift": DriftRule(of=2)}
    case = case.model_copy(update={"monitor": case.monitor.model_copy(update=changed)})
    assert find_rule(case, "performance:roc_auc_5w") == auc
    assert find_rule(case, "contract:rows:arrivals").of == 3
    assert find_rule(case, "drift:carrier").of == 2
    assert find_rule(case, "bake:cost") == find_rule(case, "performance:gone_1w") == Rule()
