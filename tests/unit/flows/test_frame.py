"""Names of runs, and the form of each flow: every parameter has a title, help and an example."""

from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module

import pytest
from prefect import Flow

from flows.frame import FlowRunName, TaggedFlow
from infra.deployments import FLOWS


def load_flow(name: str) -> Flow:
    loaded = getattr(import_module(f"flows.{name}"), name)
    assert isinstance(loaded, TaggedFlow)
    return loaded


@pytest.mark.parametrize(
    ("as_of", "moment"),
    [
        (datetime(2013, 7, 15, tzinfo=UTC), "2013-07-15"),
        (datetime(2013, 7, 15, 4, 30), "2013-07-15 04:30"),  # noqa: DTZ001
        (datetime(2013, 7, 15, 2, tzinfo=timezone(timedelta(hours=2))), "2013-07-15"),
        ("2013-07-15T04:30:00Z", "2013-07-15 04:30"),
        ("junk \x1b[2J", "junk ␛[2J"),
    ],
)
def test_name_of_a_run_has_its_moment(as_of, moment):
    name = FlowRunName("monitor {use_case} {moment}").format(use_case="flights", as_of=as_of)
    assert name == f"monitor flights {moment}"


@pytest.mark.parametrize("flow", FLOWS)
def test_form_of_each_flow_explains_its_parameters(flow):
    loaded = load_flow(flow)
    assert str(loaded.flow_run_name).startswith(f"{flow} {{use_case}}")
    for name, shown in loaded.parameters.properties.items():
        assert shown["title"] != name, name
        assert shown["description"].endswith("."), name
        assert shown["examples"], name


@pytest.mark.parametrize("window", ["7", "7 d", "-7d", "week", "7dd", "d7"])
def test_form_of_score_refuses_what_is_no_duration(window):
    form = load_flow("score")
    with pytest.raises(Exception, match="window"):
        form.validate_parameters({"use_case": "flights", "as_of": None, "window": window})
    assert form.validate_parameters({"use_case": "flights", "as_of": None, "window": "7d"})
