"""Guard of the prediction server: who may call it."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from configs.errors import BadConfig
from configs.settings import settings
from infra.servers.prediction_guard import PredictionGuard

TOKEN, WRITE = "a-token-of-callers", "a-token-of-writers"


def client(host: str = "127.0.0.1") -> TestClient:
    return TestClient(PredictionGuard(PlainTextResponse("in"), host), base_url=f"http://{host}")


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_SERVING_TOKEN", TOKEN)
    monkeypatch.setenv("MAINSPRING_SERVING_WRITE_TOKEN", WRITE)
    settings.cache_clear()


def test_loopback_needs_no_token(home):
    assert client().post("/v1/models/flights:predict").text == "in"


def test_an_address_that_others_reach_needs_one(home):
    with pytest.raises(BadConfig, match="MAINSPRING_SERVING_TOKEN"):
        client("0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1", "scores.example"])
def test_a_token_is_checked_where_there_is_one(home, tokens, host):
    for token, status in ((TOKEN, 200), (WRITE, 200), ("another-token-here", 401), ("", 401)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        assert client(host).post("/invocations", headers=headers).status_code == status
    assert client(host).get("/ready").status_code == 200


def test_other_names_and_pages_of_other_origins_are_refused(home):
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert client().post("/invocations", headers=headers).status_code == 403
