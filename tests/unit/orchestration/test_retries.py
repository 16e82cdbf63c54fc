"""Which errors of a task are retried."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from configs.errors import BadConfig, Transient
from tasks.orchestration.retries import RETRY_TRANSIENT, is_transient


@pytest.mark.parametrize(
    ("error", "retried"),
    [(Transient("busy"), True), (BadConfig("wrong"), False), (ValueError("bug"), False)],
)
def test_is_transient_retries_only_what_may_pass(home, error, retried):
    state = SimpleNamespace(result=lambda **_: error)
    nothing = cast(Any, None)
    assert is_transient(nothing, nothing, cast(Any, state)) is retried


def test_retry_transient_has_a_delay_for_each_retry():
    assert len(RETRY_TRANSIENT["retry_delay_seconds"]) == RETRY_TRANSIENT["retries"]
