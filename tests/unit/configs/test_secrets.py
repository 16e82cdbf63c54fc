"""Malformed addresses with passwords: no message, context or repr contains the password."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from configs.errors import BadConfig
from configs.settings import Settings, settings
from configs.urls import shown, split_login
from infra.storage.s3 import s3_server

CANARY = "c4n4ry"
DATABASES = ("LEDGER_URL", "MLFLOW_URI", "FEAST_REGISTRY", "PREFECT_DATABASE")
FOLDERS = ("LAKE", "PINNED_LAKE", "LANDING", "REPORTS", "MLFLOW_ARTIFACTS", "JOINED")
BAD_DATABASES = (
    f"postgresql://me:{CANARY}@db:port/ledger",
    f"postgresql://me:se@{CANARY}:x@db:5432:1/ledger",
    f"postgresql://me:{CANARY}",
    f"postgresql//me:{CANARY}@db/ledger",
    f"postgresql:/me:{CANARY}@db/ledger",
    f"postgre://me:{CANARY}@db/ledger",
    f"mysql://me:{CANARY}@db/ledger",
    f"me:{CANARY}@db/ledger",
    f"https//me:{CANARY}@mlflow",
    f"ftp://me:{CANARY}@mlflow",
    f"host=db password={CANARY}",
    f"'postgresql://me:{CANARY}@db/ledger'",
    f"postgresql://me:{CANARY}@[::1/ledger",
)
BAD = (
    *((name, value) for name in DATABASES for value in BAD_DATABASES),
    ("MLFLOW_URI", f"http://me:{CANARY}@mlflow:port"),
    ("MLFLOW_URI", f"https://:{CANARY}@"),
    ("FEAST_ONLINE", f"redis://:a,{CANARY}@cache/0"),
    ("FEAST_ONLINE", f"redis:/:{CANARY}@cache/0"),
    ("FEAST_ONLINE", f"redis//:{CANARY}@cache/0"),
    ("FEAST_ONLINE", f"redis://:{CANARY}@cache:port/0"),
    ("FEAST_ONLINE", f"redis://:{CANARY}@"),
    ("FEAST_ONLINE", f"memcached://:{CANARY}@cache"),
    *((name, f"s3://AKIA:{CANARY}@bucket/lake") for name in FOLDERS),
    *((name, f"s3//AKIA:{CANARY}@bucket/lake") for name in FOLDERS),
    *((name, f"gs://{CANARY}@bucket") for name in FOLDERS),
    ("REPORTS_URL", f"https://me:{CANARY}@reports"),
    ("REPORTS_URL", f"{CANARY}"),
    ("ENGINE", f"tls://me:{CANARY}@scheduler:8786"),
    ("HOST", f"me:{CANARY}@127.0.0.1"),
    ("PINNED", f'{{"flights/raw": "{CANARY}"}}'),
    ("PINNED", f'{{"flights/{CANARY}": "x"}}'),
    ("PINNED", f'{{"flights/raw": {CANARY}'),
    ("PREFECT_PORT", CANARY),
    ("CPU_HOUR_PRICE", "nan"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(("variable", "value"), BAD)
def test_a_malformed_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"MAINSPRING_{variable}", value)
    with pytest.raises(BadConfig, match=f"MAINSPRING_{variable}:") as refused:
        settings()
    error = refused.value
    assert error.__context__ is None
    assert error.__cause__ is None
    shown_traceback = "".join(traceback.TracebackException.from_exception(error).format())
    assert CANARY not in shown_traceback
    if variable != "PINNED":  # whose keys are names
        with pytest.raises(ValueError, match="validation error") as raw:
            Settings()
        assert CANARY not in str(raw.value)


@pytest.mark.parametrize("command", [["status"], ["history", "flights"], ["down"]])
def test_the_command_line_names_the_setting_alone(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    from flows.cli.app import app

    monkeypatch.setenv("MAINSPRING_LEDGER_URL", BAD_DATABASES[0])
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "MAINSPRING_LEDGER_URL" in result.output
    assert CANARY not in result.output


def test_the_endpoint_of_s3_is_shown_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for endpoint in (f"http://me:{CANARY}@s3.example.com", f"ftp://me:{CANARY}@s3.example.com"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(BadConfig, match="AWS_ENDPOINT_URL") as refused:
            s3_server()
        assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        *BAD_DATABASES[:2],
        f"redis://:{CANARY}@cache/0",
        f"redis://cache/0?password={CANARY}",
        f"postgresql://db/ledger?user=me&sslpassword={CANARY}",
        f"could not reach http://me:{CANARY}@mlflow: refused",
        f"postgresql://me:p@{CANARY}@db/x",
        f"cache:6379,db=0,password={CANARY}",
        f"https://hooks.example/x?token={CANARY}&a=1",
    ],
)
def test_shown_hides_logins_in_any_text(text: str) -> None:
    assert CANARY not in shown(text)
    assert "***" in shown(text)


def test_a_login_is_taken_out_of_a_servers_address() -> None:
    assert split_login("https://me:p%40ss@mlflow:5000/x") == ("https://mlflow:5000/x", "me", "p@ss")
    assert split_login("http://mlflow") == ("http://mlflow", None, None)


def test_mlflow_never_sees_the_login_in_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.models.mlflow.client import connect_mlflow

    monkeypatch.setenv("MAINSPRING_MLFLOW_URI", f"http://me:{CANARY}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    client = connect_mlflow()
    assert client.tracking_uri == settings().mlflow_url == "http://127.0.0.1:9"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == CANARY
