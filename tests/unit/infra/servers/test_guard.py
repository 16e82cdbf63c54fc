"""The guard in front of a server: hosts, origins and tokens, many of each."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from infra.servers.guard import SIGN_IN, Guard, sign_in_link

TOKEN, HOST = "a-token-of-this-test", "127.0.0.1:4200"
BASIC = "Basic " + base64.b64encode(f"mainspring:{TOKEN}".encode()).decode()
SIGNED = {"authorization": f"Bearer {TOKEN}"}


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """A server that says which authorization it sees."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    seen = dict(scope["headers"]).get(b"authorization", b"none")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": seen})


def guarded(**changes: Any) -> Guard:
    usual = {"token": TOKEN, "hosts": ["models.example"], "health": ["/health"]}
    return Guard(reached, **{**usual, **changes})


def ask(path: str = "/", method: str = "GET", app: Guard | None = None, **headers: str) -> Any:
    """The response to one request; `_` in a header's name stands for `-`."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app or guarded())
        given = {"host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, headers=given)

    return asyncio.run(request())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:4200", "localhost:1", "LOCALHOST:4200", "[::1]:4200",
     "models.example", "models.example:443", "Models.Example"],
)  # fmt: skip
def test_its_own_names_are_answered(host: str) -> None:
    assert ask(**SIGNED | {"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4200", "127.0.0.1.evil.example", "127.0.0.1@evil.example",
     "evil.example@127.0.0.1", "localhost.", "127.0.0.2", "2130706433", "0x7f.1", "", " ",
     "localhost:4200:1", "localhost/", "localhost,evil.example", "models.example.evil", "[::2]",
     "a.models.example", "::1"],
)  # fmt: skip
def test_other_names_are_refused_whatever_token_they_bring(host: str) -> None:
    for path in ("/", "/health", SIGN_IN):
        assert ask(path, **SIGNED | {"host": host}).status_code == 403


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_no_name_but_its_own_is_answered(host: str) -> None:
    own = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    allowed = own.lower() in {"127.0.0.1", "localhost", "[::1]", "models.example"}
    assert allowed or ask(**SIGNED | {"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:9", "http://127.0.0.1", "http://localhost:4200",
     "null", "", "file://", "chrome-extension://abc", "http://127.0.0.1:4200.evil.example",
     "http://evil.example#127.0.0.1:4200", "http://127.0.0.1:4200@evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_pages_of_other_origins_are_refused(origin: str, method: str) -> None:
    for path in ("/", "/health", SIGN_IN):
        response = ask(path, method, **SIGNED | {"origin": origin})
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers


def test_its_own_pages_are_answered() -> None:
    for origin in (f"http://{HOST}", f"https://{HOST}"):
        assert ask(method="POST", **SIGNED | {"origin": origin}).status_code == 200
    assert ask(**SIGNED, sec_fetch_site="same-origin").status_code == 200
    assert ask(**SIGNED, sec_fetch_site="none").status_code == 200


@pytest.mark.parametrize("site", ["same-site", "cross-site", "odd"])
def test_only_a_followed_link_comes_from_another_site(site: str) -> None:
    link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask(**SIGNED, **link).status_code == 200
    assert ask(method="POST", **SIGNED, **link).status_code == 403
    for changed in ({"sec_fetch_mode": "no-cors"}, {"sec_fetch_dest": "iframe"},
                    {"sec_fetch_dest": "image"}):  # fmt: skip
        assert ask(**SIGNED, **link | changed).status_code == 403


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}", "Basic",
     "Basic ?", "Basic bWFpbnNwcmluZzo=", f"Digest {TOKEN}", TOKEN],
)  # fmt: skip
def test_no_wrong_token_passes(authorization: str) -> None:
    assert ask(authorization=authorization).status_code == 401
    assert ask("/health", authorization=authorization).status_code == 200
    assert ask("/health", "POST", authorization=authorization).status_code == 401
    assert ask("/health/../x", authorization=authorization).status_code == 401


def test_both_ways_to_bring_the_token() -> None:
    assert ask(authorization=BASIC).status_code == 200
    assert ask(authorization=f"bearer {TOKEN}").status_code == 200
    assert ask(app=guarded(checks_token=True), **SIGNED).text == BASIC


def test_a_browser_is_led_to_the_sign_in_page() -> None:
    sent = ask(accept="text/html,*/*")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{SIGN_IN}?next=%2F")
    page = ask(SIGN_IN)
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert TOKEN not in page.text
    assert sign_in_link("http://h", TOKEN) == f"http://h{SIGN_IN}#{TOKEN}"


def test_a_browser_that_signed_in_needs_no_token() -> None:
    client = TestClient(guarded(checks_token=True), f"http://{HOST}")
    assert client.post(SIGN_IN, content="wrong").status_code == 401
    assert client.post(SIGN_IN, content="x" * 10**6).status_code == 401
    assert client.get("/").status_code == 401
    cookie = client.post(SIGN_IN, content=TOKEN).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert client.get("/").text == BASIC
    with client.websocket_connect("/", headers={"host": HOST, "cookie": cookie.split(";")[0]}):
        pass
    other = TestClient(guarded(token="a-token-of-another-state"), f"http://{HOST}")
    other.cookies = client.cookies
    assert other.get("/").status_code == 401


@pytest.mark.parametrize("checks_token", [True, False])
def test_websockets_are_checked_too(checks_token: bool) -> None:
    client = TestClient(guarded(checks_token=checks_token), f"http://{HOST}")
    own = {"host": HOST}
    for headers in ({**own, "origin": "http://127.0.0.1:9"}, {"host": "evil.example"}):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/", headers={**SIGNED, **headers}),
        ):
            pass
    with client.websocket_connect("/", headers={**own, **SIGNED}):
        pass
    if not checks_token:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/", headers=own):
            pass
