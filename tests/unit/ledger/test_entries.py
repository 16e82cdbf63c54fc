"""Constructors of entries: their keys decide what is written once."""

from datetime import timedelta

from tasks.ledger.entries import (
    make_alert_raised,
    make_candidate_registered,
    make_episode_closed,
    make_episode_opened,
    make_retrain_started,
)
from tasks.ledger.evidence import CandidateRegistered, EpisodeOpened
from tests.support.ledger_entries import START

HOUR = timedelta(hours=1)


def open_episode(kind="drift", at=START):
    evidence = EpisodeOpened.model_validate(
        {"kind": kind, "cause": f"{kind}:carrier", "severity": "page", "message": "carrier drifts"}
    )
    return make_episode_opened("m", 1, at, "monitor", evidence)


def test_make_episode_opened_is_one_a_day_and_of_late_data_one_a_minute():
    assert (
        open_episode().key
        == open_episode(at=START + HOUR).key
        == "episode:drift:carrier:2013-04-01"
    )
    assert open_episode("silence").key != open_episode("silence", START + HOUR).key


def test_make_alert_raised_names_all_causes_of_its_episodes():
    alert = make_alert_raised([open_episode(), open_episode("contract")], START, "monitor")
    assert alert.key == f"alert:{open_episode().key}:2013-04-01"
    assert alert.evidence["causes"] == ["drift:carrier", "contract:carrier"]


def test_make_episode_closed_keeps_version_and_cause():
    closed = make_episode_closed(open_episode(), "ok again", START + HOUR, "monitor")
    assert (closed.version, closed.evidence["cause"]) == (1, "drift:carrier")
    assert closed.evidence["episode"] == open_episode().key


def test_make_retrain_started_has_one_key_an_alert():
    alert = make_alert_raised([open_episode()], START, "monitor")
    assert make_retrain_started(alert, "a").key == make_retrain_started(alert, "b").key


def test_make_candidate_registered_has_one_key_an_origin():
    evidence = CandidateRegistered.model_construct(origin="train:a")
    one, other = (
        make_candidate_registered("m", number, START, "train", evidence) for number in (1, 2)
    )
    assert one.key == other.key
