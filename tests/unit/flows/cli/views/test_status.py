"""Status, history and picture from a ledger and a monitoring table."""

from datetime import timedelta

import polars as pl
import pytest
from rich.console import Console, RenderableType

from configs.schema.loading import load_use_case
from flows.cli.views.history import choose_entries, render_history
from flows.cli.views.status import render_status
from tasks.ledger.log import Entry, open_ledger
from tasks.monitoring.history_chart import draw_year_chart, read_window_metrics
from tasks.rollout.state import plan_rollout
from tasks.storage.lake import open_lake
from tests.support.ledger_entries import START

FLIGHTS = load_use_case("flights")
LATER = START + timedelta(days=7)
PROMOTED = {"reason": "roc_auc 0.74 against 0.50: improvement +0.24 [+0.21, +0.26]"}


def render(shown) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(shown)
    return console.export_text()


def show_history(*, full: bool = False, gates: bool = False) -> RenderableType:
    return render_history("flights", choose_entries("flights", full=full), full=full, gates=gates)


def monitored(weeks: int) -> None:
    """Weekly rows as the monitor writes them, one of them without mature labels."""
    ends = [START + timedelta(weeks=w + 1) for w in range(weeks)]
    rows = [
        (end, end - timedelta(weeks=1), end, 1 + (i > 1), "performance", subject, value, 0.95, 700)
        for i, end in enumerate(ends)
        for subject, value in (("roc_auc", None if i == 1 else 0.7), ("cost", 0.5), ("brier", 0.1))
    ]
    names = "as_of window_start window_end model_version kind subject value coverage rows"
    frame = pl.DataFrame(rows, schema=names.split(), orient="row").with_columns(
        pl.col("as_of", "window_start", "window_end").cast(pl.Datetime("us", "UTC"))
    )
    window = (START, START + timedelta(weeks=weeks + 1))
    open_lake("flights").replace_window("monitoring", frame, "as_of", window)


def test_weekly_numbers_are_one_row_a_window(home):
    assert read_window_metrics(FLIGHTS).is_empty()
    monitored(4)
    weeks = read_window_metrics(FLIGHTS)
    assert weeks["roc_auc"].to_list() == [0.7, None, 0.7, 0.7]
    assert weeks["model_version"].to_list() == [1, 1, 2, 2]


def test_status_names_champion_and_open_episodes(home):
    monitored(3)
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, "gate", 1, PROMOTED))
    assert "no open episode" in render(render_status(FLIGHTS, LATER))
    evidence = {"message": "roc_auc_5w is 0.65, reference 0.73, limit 0.67"}
    open_ledger().record(
        Entry("flights", "episode_opened", "episode:a", START, "monitor", 1, evidence)
    )
    said = render(render_status(FLIGHTS, LATER))
    assert "champion: version 1 since 2013-04-01" in said
    assert "open since 2013-04-01: roc_auc_5w is 0.65" in said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (None, "no champion yet: run `mainspring run train flights`"),
        ("refused", "refused v1, 2013-04-01: too few rows; promote it manually with mainspring"),
        ("approval_asked", "too few rows; answer with mainspring approve (or reject) flights 1"),
        ("deferred", "deferred v1, 2013-04-01: too few rows; its decision follows"),
    ],
)
def test_status_says_what_became_of_the_first_candidate(home, what, said):
    if what:
        refused = Entry("flights", what, "x:1", START, "gate", 1, {"reason": "too few rows"})
        open_ledger().record(refused)
    evidence = {"message": "no data", "cause": "freshness:landed", "kind": "freshness"}
    opened = Entry("flights", "episode_opened", "episode:a", START, "watch", None, evidence)
    open_ledger().record(opened)
    shown = render(render_status(FLIGHTS, LATER))
    assert said in shown
    assert "open since 2013-04-01: no data" in shown


def test_a_closed_episode_is_named(home):
    closed = {"episode": "episode:a", "cause": "performance:cost_5w", "reason": "data arrived"}
    open_ledger().record(Entry("flights", "episode_closed", "c", START, "watch", None, closed))
    assert "performance:cost_5w: data arrived" in render(show_history())


def test_status_names_what_still_proves_itself(home):
    baked = {**PROMOTED, "bake_until": "2013-04-29T00:00:00+00:00"}
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, "gate", 1, baked))
    plan = plan_rollout(FLIGHTS, 1).to_json()
    open_ledger().record(Entry("flights", "rollout_started", "rollout:2", START, "gate", 2, plan))
    said = render(render_status(FLIGHTS, LATER))
    assert "rollout (canary): version 2, stage 1 of 2, 10%" in said
    assert "compared with the previous champion until 2013-04-29" in said


def test_history_shows_each_decisions_gates_on_demand(home):
    gates = [{"gate": "cost", "asked": "not [dearer]", "measured": "0.4", "verdict": "fail"}]
    evidence = {**PROMOTED, "gates": gates}
    open_ledger().record(Entry("flights", "refused", "decision:2", START, "gate", 2, evidence))
    open_ledger().record(Entry("flights", "notified", "notified:x", START, "notify", 2))
    assert "not [dearer]" in render(show_history(gates=True))
    assert "✗ fail" in render(show_history(gates=True))
    assert "not [dearer]" not in render(show_history())
    assert "notified" not in render(show_history())


def test_history_names_the_person(home):
    open_ledger().record(
        Entry("flights", "promoted", "hand:3", START, "ada", 3, {"reason": "urgent"})
    )
    open_ledger().record(Entry("flights", "promoted", "decision:4", START, "gate", 4, PROMOTED))
    said = render(show_history())
    assert "│ ada " in said
    assert "│ gate " in said


def test_history_shows_reasons_and_on_demand_all_evidence(home):
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, "gate", 1, PROMOTED))
    assert PROMOTED["reason"] in render(show_history())
    assert '"reason"' in render(show_history(full=True))


def test_the_picture_is_a_png(home):
    monitored(4)
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, "gate", 1, PROMOTED))
    assert draw_year_chart(FLIGHTS).startswith(b"\x89PNG")
