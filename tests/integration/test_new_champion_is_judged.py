"""A new champion is judged at once: by holdout and gate, in shadow, in its arm, and by itself."""

import json
from collections.abc import Callable

import polars as pl
import pytest
from typer.testing import CliRunner

from configs.settings import settings
from flows.cli.app import app
from tasks.checks.alarms import check_alarms
from tasks.ledger.evidence import LimitsRenewed, read_evidence
from tasks.ledger.log import Entry
from tasks.models.registry import open_model
from tasks.monitoring.limits.renewal import find_rule_limits
from tasks.storage.files import read_file
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase

pytestmark = pytest.mark.system  # seconds each; CI runs them with the system tests

RULES = {
    "performance": [
        {"metric": "roc_auc", "window": "10d", "worse_by": 0.2},
        {"metric": "log_loss", "window": "10d", "false_alarms": "0.5 per year"},
    ]
}


def begin_with_champion(make_case: Callable[..., SmallCase]) -> SmallCase:
    """Parcels with forty days of rows and a champion since APRIL."""
    parcels = make_case(yaml={"monitor": RULES, "label": {"min_coverage": 0.6}})
    parcels.land("spring", parcel_rows(MARCH, days=40))
    parcels.ingest(APRIL)
    parcels.train(APRIL)
    parcels.promote()
    return parcels


def land_and_score(case: SmallCase, first: int, last: int) -> None:
    for day in range(first, last):
        case.land(f"day{day}", parcel_rows(APRIL + day * DAY), at=APRIL + day * DAY)
        case.ingest(APRIL + (day + 1) * DAY)
        case.score(APRIL + (day + 1) * DAY)


def rules_at(case: SmallCase, day: int) -> dict[str, dict[str, object]]:
    rows = case.monitor(APRIL + day * DAY).filter(pl.col("kind") == "performance")
    ruled = rows.filter(pl.col("subject").str.ends_with("_10d"))
    return {row["subject"]: row for row in ruled.to_dicts()}


def test_rules_see_what_a_new_champion_predicted_before_it_was_one(make_case):
    parcels = begin_with_champion(make_case)
    land_and_score(parcels, 0, 1)

    first = rules_at(parcels, 1)
    assert {row["verdict"] for row in first.values()} == {"ok"}
    assert first["roc_auc_10d"]["coverage"] > 0.6  # nine days of holdout, one of its own
    assert first["roc_auc_10d"]["rows"] > 32 + 6 * 32

    land_and_score(parcels, 1, 4)
    parcels.train(APRIL + 4 * DAY)
    parcels.promote()  # by hand: no gate, so its holdout alone
    land_and_score(parcels, 4, 5)
    second = rules_at(parcels, 5)
    assert {row["verdict"] for row in second.values()} == {"ok"}
    assert {row["model_version"] for row in second.values()} == {2}


def test_the_limit_is_that_of_the_card_and_a_ruined_model_pages_within_days(make_case):
    parcels = begin_with_champion(make_case)
    for day in range(8):
        rows = parcel_rows(APRIL + day * DAY).with_columns(damaged=1 - pl.col("damaged"))
        parcels.land(f"day{day}", rows, at=APRIL + day * DAY)
        parcels.ingest(APRIL + (day + 1) * DAY)
        parcels.score(APRIL + (day + 1) * DAY)
    found = rules_at(parcels, 8)["log_loss_10d"]
    limit = open_model("parcels", 1).card.limits["log_loss_10d"]
    assert (found["threshold"], found["reference"]) == (limit.limit, limit.reference)
    assert found["verdict"] == "page"

    details = [each.detail for each in check_alarms(parcels.use_case)]
    assert details[:3] == ["drift: 1 per year", "roc_auc_10d: not stated (worse_by)",
                           "log_loss_10d: 0.5 per year"]  # fmt: skip
    assert f"limit {limit.limit:.4g}" in details[3]
    parcels.rewrite(
        yaml={"monitor": {"performance": [{**RULES["performance"][1], "window": "9d"}]}}
    )
    assert "judges nothing" in [each.detail for each in check_alarms(parcels.use_case)][2]


def test_limits_are_renewed_once_and_rehearsed(make_case):
    parcels = begin_with_champion(make_case)
    land_and_score(parcels, 0, 5)
    rules_at(parcels, 3)
    assert not renewals(parcels)  # 15 days of the card and 3: not yet a quarter more
    rules_at(parcels, 5)
    rules_at(parcels, 5)
    renewed = read_evidence(renewals(parcels)[0], LimitsRenewed)
    first = open_model("parcels", 1).card.limits["log_loss_10d"]
    assert len(renewals(parcels)) == 1
    assert renewed.days == 20
    assert renewed.limits["log_loss_10d"].limit <= first.limit
    limits = find_rule_limits(open_model("parcels", 1), parcels.ledger())
    assert limits == renewed.limits

    at = f"{APRIL + 5 * DAY:%Y-%m-%d}"
    options = ["--as-of", at, "--histories", "20", "--jobs", "1", "--json"]
    printed = CliRunner().invoke(app, ["rehearse", "parcels", *options])
    assert printed.exit_code == 0, printed.output
    rehearsal = json.loads(printed.stdout[printed.stdout.index("{") :])
    assert (rehearsal["version"], rehearsal["histories"]) == (1, 20)
    assert rehearsal["days"] == 17  # labels take three days
    parts = {name: rehearsal[name] for name in ("alarms", "gate", "rollbacks", "detection")}
    assert all(rates and all(r["low"] <= r["rate"] <= r["high"] for r in rates)
               for rates in parts.values())  # fmt: skip
    page = read_file(f"{settings().reports}/parcels/rehearsal.html").decode()
    assert "false alarms of a year in which nothing changes" in page
    refused = CliRunner().invoke(app, ["rehearse", "parcels", "--as-of", f"{APRIL:%Y-%m-%d}"])
    assert "was judged on 12 days" in refused.output


def renewals(case: SmallCase) -> list[Entry]:
    return [entry for entry in case.ledger() if entry.what == "limits_renewed"]
