"""Addresses: one kind for people, another for each library, and no password shown."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from configs.errors import BadConfig
from configs.settings import settings
from configs.urls import feast_redis, shown, with_driver
from infra.environment import build_environment

SECRET = "p%40ss%2Fword"
ADDRESS = f"postgresql://me:{SECRET}@db.example:5432/ledger"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_each_library_gets_the_driver_it_wants(scheme: str) -> None:
    written = ADDRESS.replace("postgresql", scheme)
    for driver in ("psycopg", "asyncpg"):
        found = make_url(with_driver(written, driver))
        assert found.drivername == f"postgresql+{driver}"
        assert (found.password, found.host, found.database) == ("p@ss/word", "db.example", "ledger")


def test_asyncpg_is_asked_for_encryption_in_its_own_word() -> None:
    written = ADDRESS + "?sslmode=require&application_name=mainspring"
    assert make_url(with_driver(written, "asyncpg")).query == {
        "ssl": "require", "application_name": "mainspring",
    }  # fmt: skip
    assert make_url(with_driver(written, "psycopg")).query["sslmode"] == "require"


@pytest.mark.parametrize("other", ["sqlite:////tmp/a.db", "https://mlflow.example", "/a/folder"])
def test_other_addresses_stay_as_they_are(other: str) -> None:
    assert with_driver(other, "psycopg") == shown(other) == other


def test_a_redis_address_is_said_as_feast_reads_it() -> None:
    from feast.infra.online_stores.redis import RedisOnlineStore

    said = feast_redis("rediss://me:2013@cache.example/3?socket_timeout=5")
    nodes, options = RedisOnlineStore._parse_connection_string(said)
    assert nodes == [{"host": "cache.example", "port": "6379"}]
    assert options == {
        "db": 3, "ssl": True, "username": "me", "password": "2013", "socket_timeout": 5,
    }  # fmt: skip
    assert feast_redis("redis://localhost:7000") == "localhost:7000,db=0,ssl=false"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LEDGER_URL", "postgresql://me:se@cret:x@db:port/ledger", "percent encoding"),
        ("FEAST_ONLINE", "redis://:se,cret@cache/0", "a password or an option contains a comma"),
    ],
)
def test_a_wrong_address_is_told_of_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"MAINSPRING_{variable}", value)
    settings.cache_clear()
    with pytest.raises(BadConfig, match=f"MAINSPRING_{variable}.*{said}") as refused:
        settings()
    settings.cache_clear()
    assert "cret" not in str(refused.value)


def test_settings_show_no_password_and_children_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("LEDGER_URL", "MLFLOW_URI", "FEAST_REGISTRY", "PREFECT_DATABASE")
    for name in names:
        monkeypatch.setenv(f"MAINSPRING_{name}", ADDRESS)
    monkeypatch.setenv("MAINSPRING_FEAST_ONLINE", f"redis://:{SECRET}@cache:6379/0")
    settings.cache_clear()
    assert SECRET not in repr(settings())
    assert "word" not in shown(settings().ledger_url)
    assert "word" not in shown(settings().feast_online)
    given = build_environment()
    assert given["MAINSPRING_LEDGER_URL"] == ADDRESS.replace("postgresql", "postgresql+psycopg")
    assert given["MAINSPRING_PREFECT_DATABASE"].startswith("postgresql+asyncpg://")
    settings.cache_clear()
