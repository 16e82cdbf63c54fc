"""Parameters and settings without sense, through real flows: typed errors, and no lasting harm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, State, get_run_logger
from prefect import flow as prefect_flow
from prefect.exceptions import ParameterTypeError

from configs.errors import BadConfig
from configs.settings import settings
from flows.ingest import ingest
from flows.materialize import materialize
from flows.monitor import monitor
from flows.promote import promote
from flows.reconcile import reconcile
from flows.rollback import rollback
from flows.score import score
from flows.train import train
from flows.watch import watch
from tests.support.prefect_logs import read_run_texts

pytestmark = pytest.mark.server
CANARY = "c4n4ry"
FLOWS: list[tuple[Flow[..., Any], dict[str, object]]] = [
    (ingest, {}), (materialize, {}), (monitor, {}), (promote, {"version": 1}), (reconcile, {}),
    (rollback, {"promotion": "decision:1"}), (score, {}), (train, {}), (watch, {}),
]  # fmt: skip
MOMENTS = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    yield
    settings.cache_clear()


def fail(flow: Flow[..., Any], *args: object, **parameters: object) -> tuple[Exception, str]:
    """Run a flow that fails; return its error and all texts of the run."""
    state: State[Any] = flow(*args, return_state=True, **parameters)
    error = state.result(raise_on_failure=False)
    assert isinstance(error, Exception)
    assert state.state_details.flow_run_id is not None
    return error, read_run_texts(state.state_details.flow_run_id)


@pytest.mark.parametrize(("flow", "parameters"), FLOWS, ids=lambda each: getattr(each, "name", ""))
def test_a_moment_without_sense_is_refused_and_does_no_harm(
    home: Path, api: None, flow: Flow[..., Any], parameters: dict[str, object]
) -> None:
    before = {path for path in home.rglob("*") if path.is_file()}
    soon = datetime.now(UTC) + timedelta(hours=1)
    for moment in [*MOMENTS, soon] if flow is materialize else MOMENTS[1:]:
        error, _ = fail(flow, "flights", as_of=moment, **parameters)
        assert isinstance(error, BadConfig)
        assert "as_of" in str(error)
    assert {path for path in home.rglob("*") if path.is_file()} == before


def test_a_window_without_sense_is_refused_by_name(home: Path, api: None) -> None:
    for window in ("99999999999999w", "soon", ""):
        error, _ = fail(score, "flights", window=window)
        assert isinstance(error, BadConfig | ParameterTypeError)
        assert "window" in str(error)


def test_a_name_that_is_no_use_case_forges_no_log_line(home: Path, api: None) -> None:
    error, texts = fail(watch, "x\n12:00 | ERROR | forged \x1b[2J")
    assert isinstance(error, BadConfig)
    assert texts.startswith("watch x 12:00 | ERROR | forged ␛[2J 2")
    assert "\x1b" not in texts


def test_a_log_line_shows_foreign_text_on_one_line_and_no_password(api: None) -> None:
    @prefect_flow
    def log_foreign_text() -> None:
        get_run_logger().warning("by %s", "eve\n12:00 | ERROR | forged\x1b[2J\u202e")
        get_run_logger().error("cannot reach postgresql://me:%s@db/x", CANARY)
        raise ValueError(f"redis://:{CANARY}@cache: \x1b[31mred")

    _, texts = fail(log_foreign_text)
    logged = texts.split("\n", 2)[2]
    assert "by eve 12:00 | ERROR | forged␛[2J�" in logged
    assert CANARY not in logged
    assert "\x1b" not in logged


@pytest.mark.usefixtures("fresh_settings")
def test_the_password_of_a_malformed_setting_is_in_no_text_of_a_run(
    home: Path, api: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAINSPRING_LEDGER_URL", f"postgresql://me:{CANARY}@db:port/ledger")
    settings.cache_clear()
    error, texts = fail(watch, "flights")
    assert isinstance(error, BadConfig)
    assert "MAINSPRING_LEDGER_URL" in texts
    assert CANARY not in texts


@pytest.mark.parametrize(("flow", "parameters"), FLOWS, ids=lambda each: getattr(each, "name", ""))
def test_the_message_of_a_failed_run_begins_with_what_failed(
    home: Path, api: None, flow: Flow[..., Any], parameters: dict[str, object]
) -> None:
    state: State[Any] = flow("of_no_yaml", return_state=True, **parameters)
    assert state.is_failed()
    error = state.result(raise_on_failure=False)
    assert isinstance(error, BadConfig)
    assert state.message == str(error)
    assert "of_no_yaml" in str(state.message)
    with pytest.raises(BadConfig, match="of_no_yaml"):
        flow("of_no_yaml", **parameters)
