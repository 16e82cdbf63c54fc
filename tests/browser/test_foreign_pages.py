"""A page of another origin in a real browser, against every server that `up` starts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from configs.settings import settings
from infra import stack
from infra.servers.credentials import read_token, token_file
from infra.servers.guard import sign_in_link
from tests.support.chromium import Page, browse
from tests.support.stack import run_stack
from tests.support.state import state

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

# What a page may try without asking the server first (no preflight), and what it gets to know.
ATTACKS = {
    "read": "fetch(url, {credentials: 'include'}).then(r => r.text())",
    "image": "new Promise((yes, no) => {const i = new Image(); i.onload = yes; i.onerror = no;"
    " i.src = url})",
    "script": "new Promise((yes, no) => {const s = document.createElement('script');"
    " s.onload = yes; s.onerror = no; s.src = url; document.body.append(s)})",
    "websocket": "new Promise((yes, no) => {const w = new WebSocket(url.replace('http', 'ws'),"
    " 'prefect'); w.onopen = yes; w.onerror = no})",
    "json": "fetch(url, {method: 'POST', credentials: 'include', body: '{}',"
    " headers: {'content-type': 'application/json'}}).then(r => r.text())",
}
BLIND = {
    "no-cors": "fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', body: body})",
    "beacon": "navigator.sendBeacon(url, body)",
    "form": "new Promise(done => {const frame = document.createElement('iframe'); frame.name = 'f';"
    " frame.onload = done; const form = document.createElement('form'); form.method = 'POST';"
    " form.action = url; form.enctype = 'text/plain'; form.target = 'f';"
    " const field = document.createElement('input'); field.name = body; form.append(field);"
    " document.body.append(frame, form); form.submit(); setTimeout(done, 2000)})",
}

WRONG_TOKENS = ("Bearer wrong", "Basic bWFpbnNwcmluZzo=", "Bearer é".encode())
OTHER_HOSTS = (
    "evil.example", "evil.example:4200", "127.0.0.1.evil.example", "127.0.0.1@evil.example",
    "evil.example@127.0.0.1", "localhost.evil.example:5000", "0", "",
)  # fmt: skip


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of the servers of a new state."""
    with (
        state(tmp_path_factory.mktemp("state"), {"MAINSPRING_WARM_START": "false"}),
        run_stack(mlflow=True, reports=True, deployed=False) as addresses,
    ):
        yield addresses


@pytest.fixture(scope="module")
def foreign(servers: dict[str, str]) -> Iterator[str]:
    """A page on another port of this machine."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(servers: dict[str, str]) -> Iterator[Page]:
    """A browser that has signed in to every server."""
    with browse() as page:
        for address in servers.values():
            page.open(sign_in_link(address, read_token()))
        yield page


def signed_in(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"authorization": f"Bearer {read_token()}"})


def writes(name: str) -> tuple[str, str, str, str]:
    """A harmless write of a server: its path and body, and how to list what it made."""
    if name == "Prefect":
        made = json.dumps({"name": "planted", "value": 1})
        return "/api/variables/", made, "/api/variables/filter", "{}"
    made, listed = json.dumps({"name": "planted"}), "/api/2.0/mlflow/experiments/search"
    return "/api/2.0/mlflow/experiments/create", made, listed, '{"max_results": 100}'


def test_a_signed_in_browser_sees_the_pages(servers: dict[str, str], page: Page) -> None:
    for address in servers.values():
        page.open(address)
        assert page.run("document.body.children.length") > 0
        assert "sign-in" not in page.run("location.href")
        assert "mainspring" not in page.run("document.cookie")
    page.open(servers["Prefect"])
    assert page.run("fetch('/api/admin/version').then(r => r.status)") == 200


def test_no_page_calls_another_machine(servers: dict[str, str], page: Page, foreign: str) -> None:
    send = f"fetch({foreign!r}, {{mode: 'no-cors'}}).then(() => 'sent', () => 'held')"
    page.call("Network.enable")
    for address in servers.values():
        page.open(address)
        time.sleep(3)  # what a page sends after it has loaded
        assert page.run(send) == "held"
    page.call("Network.disable")
    asked = {
        urlsplit(event["params"]["request"]["url"]).netloc
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert asked - {""} == {urlsplit(address).netloc for address in servers.values()}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_foreign_page_gets_an_answer(
    servers: dict[str, str], page: Page, foreign: str, attack: str
) -> None:
    page.open(foreign)
    for address in servers.values():
        for path in ("/", "/api/health", "/health", "/favicon.ico", "/api/events/out"):
            url = json.dumps(address + path)
            script = f"(url => {ATTACKS[attack]})({url}).then(() => 'answered', () => 'refused')"
            assert page.run(script) == "refused", (attack, url)


@pytest.mark.parametrize("attack", BLIND)
def test_no_foreign_page_writes(
    servers: dict[str, str], page: Page, foreign: str, attack: str
) -> None:
    for name in ("Prefect", "MLflow"):
        address, (path, body, listed, query) = servers[name], writes(name)
        page.open(foreign)
        given = f"{json.dumps(address + path)}, {json.dumps(body)}"
        page.run(f"(async (url, body) => {{{BLIND[attack]}}})({given})")
        with signed_in(address) as client:
            found = client.post(listed, content=query, headers={"content-type": "application/json"})
            assert found.is_success, found.text
            assert "planted" not in found.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_server_of_the_reports_takes_no_write(servers: dict[str, str], method: str) -> None:
    with signed_in(servers["Reports"]) as client:
        assert client.request(method, "/index.html", content="planted").status_code == 405


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_a_host_of_another_name_gets_no_answer(servers: dict[str, str], host: str) -> None:
    for address in servers.values():
        with signed_in(address) as client:
            for path in ("/", "/health", "/api/health", "/sign-in"):
                assert client.get(path, headers={"host": host}).status_code in (400, 403)


def test_without_the_token_nothing_but_health_and_sign_in_answers(servers: dict[str, str]) -> None:
    for name, address in servers.items():
        assert httpx.get(f"{address}/sign-in").status_code == 200
        assert httpx.get(address).status_code == 401
        path, body, *_ = writes(name)
        for given in ({}, *({"authorization": wrong} for wrong in WRONG_TOKENS)):
            answer = httpx.post(f"{address}{path}", content=body, headers=given)
            assert answer.status_code == 401
        assert httpx.post(f"{address}/sign-in", content="wrong").status_code == 401


def test_the_token_is_in_its_file_alone(servers: dict[str, str], page: Page) -> None:
    token, state = read_token().encode(), settings().state
    assert token_file().stat().st_mode & 0o777 == 0o600
    holding = [p for p in state.rglob("*") if p.is_file() and token in p.read_bytes()]
    assert holding == [token_file()]
    for process in psutil.process_iter():
        try:
            assert token.decode() not in " ".join(process.cmdline())
        except psutil.Error:
            continue


def test_no_server_listens_beyond_loopback(servers: dict[str, str]) -> None:
    ours = {
        child.pid
        for process in stack.read_processes(settings().state / "processes.json")
        for child in [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
    }
    listening = [
        one for one in psutil.net_connections("inet") if one.pid in ours and one.status == "LISTEN"
    ]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    ports = {int(address.rpartition(":")[2]) for address in servers.values()}
    others = {one.laddr.port for one in listening} - ports
    assert len(listening) == len(ports) + len(others)
    for port in others:  # of Prefect's worker, for its runs: it wants a token of each
        with socket.create_connection(("127.0.0.1", port), timeout=10) as worker:
            worker.sendall(b"POST / HTTP/1.1\r\nHost: evil.example\r\n\r\n" * 100)
            worker.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert worker.recv(1000) == b""


def test_no_foreign_page_frames_a_server(servers: dict[str, str]) -> None:
    for address in servers.values():
        for path in ("/", "/sign-in"):
            headers = signed_in(address).get(path).headers
            assert "frame-ancestors" in headers["content-security-policy"]
            assert headers["x-frame-options"] == "SAMEORIGIN"
