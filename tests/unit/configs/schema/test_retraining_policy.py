"""What a policy may say, what it makes of a use case, and what a wrong one is told."""

from pathlib import Path

import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.retraining_policy import (
    RetrainingPolicy,
    apply_policy,
    load_policies,
    load_policy,
)
from configs.settings import ROOT

FLIGHTS = load_use_case("flights")
SHIPPED = ("never", "monthly", "drift", "performance", "both", "own")


def policy(**content: object) -> RetrainingPolicy:
    return RetrainingPolicy.model_validate({"name": "mine", "title": "mine", **content})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_policy_that_ships_holds_for_flights(name: str) -> None:
    found = load_policy(name)
    assert found.name == name
    assert apply_policy(found, FLIGHTS).name == "flights"


def test_the_shipped_ones_are_all_that_ship() -> None:
    assert {p.stem for p in (ROOT / "configs/policies").glob("*.yaml")} == set(SHIPPED)


def test_a_name_and_its_file_are_one_policy() -> None:
    path = str(ROOT / "configs/policies/never.yaml")
    assert [p.name for p in load_policies(["never", "drift", path])] == ["never", "drift"]


def test_two_policies_of_one_name_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "x.yaml"
    other.write_text("name: never\ntitle: Another one\n")
    with pytest.raises(BadConfig, match="policy 'never' already exists"):
        load_policies(["never", str(other)])


def test_own_is_the_use_case_as_it_is() -> None:
    own = load_policy("own")
    assert apply_policy(own, FLIGHTS) == FLIGHTS
    assert own.schedule_for(FLIGHTS) == FLIGHTS.schedules.train


@pytest.mark.parametrize(
    ("alerts", "drift", "performance"),
    [([], "ticket", "ticket"), (["drift"], "page", "ticket"), (["performance"], "ticket", "page")],
)
def test_alerts_that_a_policy_does_not_name_ask_for_nothing(alerts, drift, performance):
    monitor = apply_policy(policy(alerts=alerts), FLIGHTS).monitor
    assert monitor.drift.severity == drift
    assert {rule.severity for rule in monitor.performance} == {performance}
    assert monitor.contract == FLIGHTS.monitor.contract


def test_sections_are_replaced_in_part_and_a_roll_out_as_a_whole() -> None:
    mine = policy(
        gate={"rule": "non_inferiority", "budgets": {"bytes": None}},
        rollout={"kind": "direct"},
        retrain={"cooldown": "7d"},
        monitor={"drift": {"informs": []}},
    )
    found = apply_policy(mine, FLIGHTS)
    assert (found.gate.rule, found.gate.min_rows) == ("non_inferiority", FLIGHTS.gate.min_rows)
    assert found.gate.budgets.bytes is None
    assert found.gate.budgets.latency_p99_us == FLIGHTS.gate.budgets.latency_p99_us
    assert found.rollout.kind == "direct"
    assert (found.retrain.cooldown.days, found.retrain.window) == (7, FLIGHTS.retrain.window)
    assert found.monitor.drift.informs == ()
    assert found.bake == FLIGHTS.bake


def test_nobody_is_asked_in_a_replay() -> None:
    asking = FLIGHTS.model_copy(update={"approval": "manual"})
    assert apply_policy(policy(), asking).approval == "automatic"


def test_an_unknown_field_is_told_with_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: x\nretrain_every: 7d\n")
    with pytest.raises(BadConfig, match=r"mine\.yaml.*\n.*retrain_every: unknown.*schedule"):
        load_policy(str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: mine\n", "title: Field required"),
        ("name: mine\ntitle: x\nschedule: monthly\n", "schedule"),
        ("name: mine\ntitle: x\nalerts: [weather]\n", "alerts"),
        ("", "the whole"),
        ("name: [", "not readable as YAML"),
    ],
)
def test_a_wrong_file_is_named_with_the_field(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(BadConfig) as wrong:
        load_policy(str(path))
    assert str(path) in str(wrong.value)
    assert said in str(wrong.value)


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(BadConfig, match=r"policy not found.*both, drift, monthly, never"):
        load_policy("weekly")


def test_what_a_policy_replaces_wrongly_is_named() -> None:
    with pytest.raises(BadConfig, match=r"policy mine on flights.*\n.*gate\.marginn: unknown"):
        apply_policy(policy(gate={"marginn": 1}), FLIGHTS)


def test_performance_needs_a_rule() -> None:
    without = FLIGHTS.monitor.model_copy(update={"performance": ()})
    bare = FLIGHTS.model_copy(update={"monitor": without})
    with pytest.raises(BadConfig, match=r"flights\.yaml has no rule in monitor\.performance"):
        apply_policy(policy(alerts=["performance"]), bare)
