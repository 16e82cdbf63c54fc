"""Constructors of entries: keys as they always were, and nothing else that builds them."""

import ast
from datetime import UTC, datetime

import pytest

from tasks.ledger import entries
from tasks.ledger.evidence import (
    ApprovalAsked,
    CandidateRegistered,
    Deferred,
    EpisodeOpened,
    Notified,
    Promoted,
    PromotionTerms,
    Recovered,
    Refused,
    RolledBack,
    RolloutPlan,
    RolloutStage,
    StepEvidence,
    read_evidence,
)
from tasks.ledger.keys import rollback_key
from tasks.ledger.log import Entry
from tests.support.source_code import parse_module, source_modules

AT = datetime(2013, 4, 8, 9, 30, tzinfo=UTC)
ABOUT = ("flights", 2, AT, "promote 1")
GATE = StepEvidence(reason="better", gates=[])


def open_episode(kind: str = "performance") -> Entry:
    evidence = EpisodeOpened(cause=f"{kind}:x", kind=kind, message="bad", severity="ticket")
    return entries.make_episode_opened("flights", 1, AT, "monitor", evidence)


def promote() -> Entry:
    return entries.make_promoted(*ABOUT, GATE, PromotionTerms(champion_version=1))


EPISODE = open_episode()
ALERT = entries.make_alert_raised([EPISODE], AT, "monitor")
REQUEST = entries.make_approval_asked(*ABOUT, ApprovalAsked(reason="better"))
ASKED = entries.make_rollback_asked(promote(), EPISODE, AT, "monitor", None)
ALERT_KEY = "alert:episode:performance:x:2013-04-08:2013-04-08"


@pytest.mark.parametrize(
    ("entry", "what", "key"),
    [
        (EPISODE, "episode_opened", "episode:performance:x:2013-04-08"),
        (open_episode("silence"), "episode_opened", "episode:silence:x:2013-04-08T09:30"),
        (
            entries.make_episode_closed(EPISODE, "good again", AT, "monitor"),
            "episode_closed", "closed:episode:performance:x:2013-04-08",
        ),
        (ALERT, "alert_raised", ALERT_KEY),
        (entries.make_retrain_started(ALERT, "run"), "retrain_started", f"retrain:{ALERT_KEY}"),
        (
            entries.make_candidate_registered(*ABOUT, CandidateRegistered(origin=ALERT_KEY)),
            "candidate_registered", f"candidate:{ALERT_KEY}",
        ),
        (entries.make_deferred(*ABOUT, Deferred(reason="-")), "deferred", "deferred:2:2013-04-08"),
        (REQUEST, "approval_asked", "approval_asked:2"),
        (
            entries.make_approval_given(REQUEST, AT, "ada", "-", approve=True),
            "approved", "approval:2",
        ),
        (
            entries.make_approval_given(REQUEST, AT, "ada", "-", approve=False),
            "rejected", "approval:2",
        ),
        (
            entries.make_rollout_started(*ABOUT, GATE, RolloutPlan(kind="canary")),
            "rollout_started", "rollout:2",
        ),
        (
            entries.make_rollout_grown(*ABOUT, GATE, RolloutStage(stage=1, share=0.5)),
            "rollout_grown", "rollout:2:1",
        ),
        (entries.make_step_asked(*ABOUT, "-"), "step_asked", "step:2:2013-04-08"),
        (promote(), "promoted", "decision:2"),
        (entries.make_manually_promoted(*ABOUT, Promoted(reason="-")), "promoted", "hand:2"),
        (entries.make_refused(*ABOUT, Refused(reason="-")), "refused", "decision:2"),
        (ASKED, "rollback_asked", "undo:0"),
        (
            entries.make_rolled_back(promote(), 1, AT, "r", RolledBack(reason="-")),
            "rolled_back", "rollback:0",
        ),
        (
            entries.make_manually_promoted(*ABOUT, Promoted(reason="-"), earlier=1),
            "promoted", "hand:2:2",
        ),
        (
            entries.make_recovered(promote(), None, AT, "ada", Recovered(reason="-")),
            "recovered", "recovered:0",
        ),
        (entries.make_retired("flights", AT, "ada", "-"), "retired", "retired:2013-04-08T09:30"),
        (
            entries.make_notified(EPISODE, "slack/ops", "page", "notify"),
            "notified", "notified:slack/ops:episode:performance:x:2013-04-08",
        ),
    ],
)  # fmt: skip
def test_keys_are_as_they_always_were(entry: Entry, what: str, key: str) -> None:
    assert (entry.what, entry.key) == (what, key)


def test_the_end_of_an_episode_has_its_cause_and_severity() -> None:
    closed = entries.make_episode_closed(EPISODE, "good again", AT, "monitor")
    assert closed.evidence == {
        "episode": EPISODE.key, "cause": "performance:x", "severity": "ticket",
        "reason": "good again",
    }  # fmt: skip


def test_make_alert_raised_names_all_causes_of_its_episodes() -> None:
    alert = entries.make_alert_raised([EPISODE, open_episode("drift")], AT, "monitor")
    assert alert.evidence == {
        "episode": EPISODE.key, "causes": ["performance:x", "drift:x"], "message": "bad; bad",
    }  # fmt: skip


def test_a_rollback_request_falls_back_to_the_message_of_the_episode() -> None:
    assert ASKED.evidence == {"promotion": "decision:2", "episode": EPISODE.key, "reason": "bad"}
    shown = entries.make_rollback_asked(promote(), EPISODE, AT, "monitor", GATE)
    assert shown.evidence["reason"] == "better"


def test_a_rollback_has_its_own_promotion_and_loser() -> None:
    entry = entries.make_rolled_back(promote(), 1, AT, "r", RolledBack(reason="worse"))
    assert entry.evidence == {"loser": 2, "promotion": "decision:2", "reason": "worse"}
    assert rollback_key(ASKED) == entry.key


def test_a_notification_has_the_time_of_its_entry() -> None:
    sent = entries.make_notified(EPISODE, "slack/ops", "page", "notify")
    assert sent.at == EPISODE.at
    assert read_evidence(sent, Notified).entry == EPISODE.key


def test_only_the_ledger_reads_evidence_by_name_or_makes_entries() -> None:
    faults = [
        f"{name}:{node.lineno}"
        for name, path in source_modules().items()
        if "ledger" not in path.parts
        for node in ast.walk(parse_module(path))
        if _reads_evidence(node) or _makes_entry(node)
    ]
    assert faults == []


def _reads_evidence(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "evidence"
    is_get = isinstance(node, ast.Attribute) and node.attr == "get"
    return is_get and isinstance(node.value, ast.Attribute) and node.value.attr == "evidence"


def _makes_entry(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Entry"
    )
