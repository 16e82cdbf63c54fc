"""The command says what it did, and what is wrong, without a traceback."""

import os

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from configs.settings import ROOT, settings
from flows.cli.app import app
from tasks.ledger.log import Entry, open_ledger
from tasks.models.registry import read_alias
from tests.support.ledger_entries import START
from tests.support.processes import register_empty_versions

cli = CliRunner()


def invoke(*words: str) -> tuple[int, str]:
    result = cli.invoke(app, list(words))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "name",
    [
        "up",
        "down",
        "demo",
        "new",
        "check",
        "status",
        "history",
        "deployments",
        "promote",
        "rollback",
        "approve",
        "reject",
        "explain",
        "reproduce",
        "replay",
    ],
)
def test_every_command_explains_itself(name):
    code, said = invoke(name, "--help")
    assert code == 0
    assert "Usage" in said


def test_every_command_names_a_user_whom_the_system_does_not_know(monkeypatch):
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    commands = get_command(app).commands.values()
    by = [option for each in commands for option in each.params if option.name == "by"]
    assert len(by) >= 10
    assert {option.default() for option in by} == {f"uid {os.getuid()}"}


def test_an_unknown_use_case_is_named_with_those_there_are(home):
    code, said = invoke("history", "fligths")
    assert code == 1
    assert "fligths.yaml: use case not found; existing: flights, visits" in said
    assert "Traceback" not in said


def test_history_tells_the_ledger(home):
    evidence = {"reason": "roc_auc 0.71 against 0.70"}
    actor = "promote 12345678-1234-1234-1234-123456789abc"
    open_ledger().record(Entry("flights", "promoted", "decision:1", START, actor, 1, evidence))
    code, said = invoke("history", "flights")
    assert code == 0
    assert "2013-04-01 00:00" in said
    assert "promoted v1" in said
    assert "roc_auc 0.71 against 0.70" in said
    assert "12345678" in invoke("history", "flights", "--full")[1]


def test_a_rollback_by_hand_needs_no_server_and_keeps_the_reason(home):
    register_empty_versions(1, 2)
    for version in (1, 2):
        key = f"decision:{version}"
        open_ledger().record(
            Entry("flights", "promoted", key, START, "test", version, {"reason": "-"})
        )
    words = ("rollback", "flights", "--reason", "complaints", "--as-of", "2013-04-09")
    code, said = invoke(*words)
    assert (code, said) == (0, "version 1 is champion again from 2013-04-09 00:00 UTC on\n")
    assert invoke(*words) == (code, said), "a rollback is idempotent"
    assert read_alias("flights") == 1
    assert "complaints" in invoke("history", "flights")[1]


def test_approve_without_a_server_waits_for_reconcile(home, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("MAINSPRING_PREFECT_PORT", "9")  # nobody listens there
    settings.cache_clear()
    open_ledger().record(Entry("flights", "approval_asked", "approval_asked:2", START, "test", 2))
    code, said = invoke("approve", "flights", "2", "--reason", "looks right", "--by", "ada")
    assert code == 0
    assert "version 2 was approved by ada" in said
    assert "the next reconcile run continues" in said
    assert "was already approved by ada" in invoke("reject", "flights", "2", "--reason", "no")[1]


HOSTILE = "eve[/] \x1b[2J\x1b[31m ![](http://x/y) </script><script>"


def test_names_and_reasons_of_any_text_are_shown_as_they_are(home, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("MAINSPRING_PREFECT_PORT", "9")
    settings.cache_clear()
    open_ledger().record(Entry("flights", "approval_asked", "approval_asked:2", START, "test", 2))
    code, said = invoke("approve", "flights", "2", "--reason", HOSTILE, "--by", HOSTILE)
    assert code == 0
    assert "by eve[/] ␛[2J␛[31m" in said
    open_ledger().record(
        Entry("flights", "episode_opened", "episode:a", START, "x", 1, {"message": HOSTILE})
    )
    for words in (("history",), ("history", "--full"), ("history", "--gates"), ("status",)):
        code, said = invoke(words[0], "flights", *words[1:])
        assert code == 0, said
        assert "\x1b" not in said
    assert "eve[/]" in invoke("history", "flights")[1]


def test_an_error_is_a_sentence_without_the_name_of_its_class(home):
    code, said = invoke("check", "flights[/]")
    assert code == 1
    code, said = invoke("reproduce", "flights", "9")
    assert code == 1
    assert "Error: flights version 9 not found" in said
    assert "BadModel" not in said


def test_status_before_anything_happened(home):
    code, said = invoke("status")
    assert code == 0
    assert "then run mainspring run ingest flights" in " ".join(said.split())


def test_check_without_data_writes_nothing(home):
    code, said = invoke("check", "flights")
    assert code == 0, said
    assert "nothing ingested yet" in said
    assert list(home.iterdir()) == []


def test_check_names_every_mistake_and_fails(home, tmp_path, monkeypatch):
    content = yaml.safe_load((ROOT / "configs" / "flights.yaml").read_text())
    content["tables"]["weather"]["suite"] = "wether"
    content["candidates"]["boosting"]["params"] = {"max_itr": 3}
    content["features"]["views"] = ["weather", "planets"]
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "flights.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(folder))
    settings.cache_clear()
    code, said = invoke("check", "flights")
    assert code == 1
    for mistake in ("wether", "max_itr", "feature_repo.flights.transforms has no planets"):
        assert mistake in said


def test_prefect_yaml_is_what_the_use_cases_ask_for():
    code, said = invoke("deployments")
    assert code == 0, said


def test_a_replay_backwards_is_refused(home):
    code, said = invoke(
        "replay", "flights", "--from", "2013-05-01", "--to", "2013-04-01", "--policy", "never"
    )
    assert code == 1
    assert "--from 2013-05-01 must not be after --to 2013-04-01" in " ".join(said.split())


def test_a_replay_of_an_empty_lake_says_what_to_do(home):
    days = ("--from", "2013-04-01", "--to", "2013-05-01")
    code, said = invoke("replay", "flights", *days, "--policy", "never", "nothing")
    assert code == 1
    assert "nothing.yaml: policy not found" in said
    code, said = invoke("replay", "flights", *days, "--policy", "never")
    assert code == 1
    assert "run ingest first" in said
