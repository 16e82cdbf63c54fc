from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from configs.errors import BadConfig, CannotStart
from configs.settings import Settings, settings
from infra import deploy, healthcheck, work_pools
from tasks.training.build_card import read_code_revision


def test_work_pool_of_containers_needs_an_image(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "image" not in work_pools.read_template("process")["job_configuration"]
    for kind in ("docker", "kubernetes"):
        with pytest.raises(BadConfig, match=f"a {kind} pool needs MAINSPRING_IMAGE"):
            work_pools.read_template(kind)
    monkeypatch.setenv("MAINSPRING_IMAGE", "registry.example.com/mainspring:1.4")
    settings.cache_clear()
    for kind in ("docker", "kubernetes"):
        configuration = work_pools.read_template(kind)["job_configuration"]
        assert '"image": "registry.example.com/mainspring:1.4"' in json.dumps(configuration)


def test_a_server_that_does_not_answer_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freed:
        url = f"http://127.0.0.1:{freed.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(CannotStart, match=f"no Prefect server responds at {url}"):
        deploy.deploy(schedules=True)


def test_what_is_given_empty_is_not_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_LAKE", "")
    assert Settings().lake == str(home / "lake")


def test_an_image_says_what_it_was_built_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_REVISION", "4f2a")
    settings.cache_clear()
    assert read_code_revision() == "4f2a"


@pytest.mark.parametrize(("answer", "code"), [(200, 0), (404, 1), (503, 1)])
def test_health_is_an_answer_of_2xx(
    answer: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert healthcheck.main(f"http://127.0.0.1:{server.server_port}/health") == code
        thread.join()
    assert (str(answer) in capsys.readouterr().out) == bool(code)


def test_nobody_there_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
    assert healthcheck.main(f"http://127.0.0.1:{port}") == 1
    assert "refused" in capsys.readouterr().out
