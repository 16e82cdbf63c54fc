"""The way out of quarantine and back: release and repair, also after a kill."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.ledger.log import open_ledger
from tasks.row_changes.release import QuarantineFilter, Release, count_open_rows, release_rows
from tasks.row_changes.repair import choose_raw_rows, repair_rows
from tasks.storage.lake import Lake
from tests.support import parcel_files as suites
from tests.support.landing import ingest_landed, rows_of
from tests.support.parcel_files import NOON, land_lines, line, parcels_use_case

RULE = "values_to_be_between(weight)"
ALL = QuarantineFilter()


@pytest.fixture
def use_case(home: Path) -> UseCase:
    """Two accepted parcels, and three too heavy ones in quarantine, two of them of one time."""
    case = parcels_use_case()
    heavy = [line("H1", 101), line("H2", 150), line("H2", 160)]
    land_lines("parcels/a.csv", line("A"), line("B"), *heavy)
    ingest_landed(case, NOON)
    return case


def widen(monkeypatch: pytest.MonkeyPatch, most: float = 200) -> None:
    """Mend the suite: heavier parcels are allowed."""
    from expectations.rules import between, lands

    rules = lambda as_of: [*lands("sent", 100_000, as_of), between("weight", 0, most)]  # noqa: E731
    monkeypatch.setattr(suites, "parcels", rules)


def release(case: UseCase, choice: QuarantineFilter = ALL) -> list[Release]:
    done = release_rows(open_ledger(), case, choice, NOON, "ann", "the bound was wrong")
    return [each for each in done if each.table == "parcels"]


def weights(case: UseCase, table: str = "raw/parcels") -> list[float]:
    return rows_of(case, table)["weight"].sort().to_list()


def test_quarantine_is_shown_by_rule(use_case: UseCase) -> None:
    (shown,) = count_open_rows(use_case, ALL).to_dicts()
    assert (shown["table"], shown["rule"], shown["rows"]) == ("parcels", RULE, 3)
    assert (shown["path"], shown["since"]) == ("parcels/a.csv", NOON)
    assert "H" in shown["example"]
    assert count_open_rows(use_case, QuarantineFilter("parcels", "other")).is_empty()
    with pytest.raises(BadConfig, match="table boxes not found"):
        count_open_rows(use_case, QuarantineFilter("boxes"))


def test_rows_are_released_only_if_todays_rules_accept_them(
    use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert release(use_case) == [Release("parcels", 0, {RULE: 3})]
    widen(monkeypatch)
    assert release(use_case) == [Release("parcels", 1, {"rows_differ(parcel, sent)": 2})]
    assert weights(use_case) == [1, 1, 101]
    assert release(use_case)[0].released == 0
    assert weights(use_case) == [1, 1, 101]
    (told,) = [e for e in open_ledger().entries("flights") if e.what == "rows_released"]
    assert (told.actor, told.evidence["rows"]) == ("ann", 1)
    assert told.evidence["reason"] == "the bound was wrong"
    assert count_open_rows(use_case, ALL)["rows"].to_list() == [2]


def test_a_release_that_is_killed_before_its_commit_is_completed_by_the_next(
    use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    widen(monkeypatch)
    commit = Lake.append_once

    def killed(lake: Lake, table: str, *given: Any) -> int | None:
        if table.startswith("raw/"):
            raise KeyboardInterrupt
        return commit(lake, table, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "append_once", killed)
        with pytest.raises(KeyboardInterrupt):
            release(use_case)
    assert weights(use_case) == [1, 1]
    assert release(use_case)[0].released == 1
    assert weights(use_case) == [1, 1, 101]
    told = [e for e in open_ledger().entries("flights") if e.what == "rows_released"]
    assert len(told) == 1


def test_a_repaired_row_leaves_raw_and_stays_out(use_case: UseCase) -> None:
    book, given = open_ledger(), ("parcels", "parcel = 'A'", NOON, "ann", "a test row")
    assert repair_rows(book, use_case, *given) == 1
    assert repair_rows(book, use_case, *given) == 0
    assert rows_of(use_case, "raw/parcels")["parcel"].to_list() == ["B"]
    land_lines("parcels/again.csv", line("A"), line("C"))
    (verdict,) = ingest_landed(use_case, NOON).verdicts
    assert (verdict.accepted, verdict.repeated) == (1, 1)
    assert release(use_case)[0].released == 0, "a release of all rules does not undo a repair"
    assert release(use_case, QuarantineFilter(rule="repaired"))[0].released == 1
    assert rows_of(use_case, "raw/parcels")["parcel"].sort().to_list() == ["A", "B", "C"]


def test_a_repair_that_is_killed_half_way_is_completed(
    use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    given = (open_ledger(), use_case, "parcels", "weight = 1", NOON, "ann", "a test row")
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "keep_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            repair_rows(*given)
    assert repair_rows(*given) == 2
    assert rows_of(use_case, "raw/parcels").is_empty()
    repaired = pl.col("_reasons").list.contains("repaired")
    assert rows_of(use_case, "quarantine/parcels").filter(repaired).height == 2
    assert len(open_ledger().entries("flights")) == 1


@pytest.mark.parametrize("where", ["parcel == = 'A'", "colour = 'red'", "", "parcel + 1"])
def test_a_condition_that_is_none_is_named(use_case: UseCase, where: str) -> None:
    with pytest.raises(BadConfig, match="--where"):
        choose_raw_rows(use_case, "parcels", where)
