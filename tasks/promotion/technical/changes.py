"""Changes by the technical gate: episodes of errors and latency, and what they end or undo.

Numbers open an episode. The open episode alone decides what follows, so a killed process leaves
nothing half done: the next one reads the episode and goes on.

    opens    the last look is bad, and at least `bad` of the last `of` are
    ends     an episode about a challenger refuses it, which ends its rollout
    undoes   an episode about a champion in its bake window asks for its rollback, and rolls back
    closes   the last looks are good, or the version serves in another role or not at all
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from configs.schema.serving import TechnicalGate
from tasks.ledger.causes import TECHNICAL_KIND, join_cause
from tasks.ledger.entries import (
    make_episode_closed,
    make_episode_opened,
    make_refused,
    make_rollback_asked,
)
from tasks.ledger.evidence import (
    EpisodeOpened,
    GateCheck,
    Refused,
    StepEvidence,
    merge_evidence,
    read_evidence,
)
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.promotion.technical.looks import (
    QUANTITIES,
    Quantity,
    TechnicalVerdict,
    judge_alone,
    judge_beside,
)
from tasks.rollout.state import find_bake, find_rollout
from tasks.serving.version_tally import TallyPeriod

TECHNICAL_ACTOR = "technical gate"
_Subject = tuple[str, int | None]  # cause and version


@dataclass(frozen=True)
class ServingPair:
    """A version that serves since a moment, and the one that serves instead if it is taken back.

    `other` is None where the champion is judged alone, by absolute limits.
    """

    version: int
    other: int | None
    since: datetime

    def name_cause(self, quantity: Quantity) -> str:
        """Return the cause of an episode: errors:4 beside another version, errors alone."""
        subject = quantity if self.other is None else f"{quantity}:{self.version}"
        return join_cause(TECHNICAL_KIND, subject)


def list_pairs(ledger: LedgerState, as_of: datetime) -> list[ServingPair]:
    """Return what is judged at a moment: challenger and champion beside others, champion alone."""
    pairs = []
    running, champion = find_rollout(ledger.entries, as_of), ledger.at(as_of).champion
    if running is not None and champion is not None and running.champion == champion.version:
        pairs.append(ServingPair(running.version, running.champion, running.since))
    bake = find_bake([e for e in ledger.entries if e.at <= as_of], as_of)
    if bake is not None:
        pairs.append(ServingPair(bake.version, bake.previous, bake.since))
    if champion is not None and champion.version is not None:
        pairs.append(ServingPair(champion.version, None, champion.at))
    return pairs


def find_technical_episodes(
    model: str,
    gate: TechnicalGate,
    ledger: LedgerState,
    periods: Sequence[TallyPeriod],
    as_of: datetime,
) -> list[Entry]:
    """Return the entries of technical episodes that close or open.

    Args:
        model: name of the use case.
        gate: the limits.
        ledger: the state of the ledger.
        periods: tallies up to `as_of`, in order.
        as_of: moment of the look.
    """
    pairs = list_pairs(ledger, as_of)
    verdicts: dict[_Subject, tuple[ServingPair, TechnicalVerdict]] = {
        (pair.name_cause(quantity), pair.version): (pair, verdict)
        for pair in pairs
        for quantity, verdict in _judge(pair, gate, periods).items()
    }
    lasting: set[_Subject] = set()
    changes: list[Entry] = []
    for episode in list_technical_episodes(ledger):
        subject: _Subject = (read_evidence(episode, EpisodeOpened).cause, episode.version)
        reason = _find_end(episode, ledger, pairs, verdicts.get(subject))
        if reason is None:
            lasting.add(subject)
        else:
            changes.append(make_episode_closed(episode, reason, as_of, TECHNICAL_ACTOR))
    bad = {subject for subject, (_, verdict) in verdicts.items() if verdict.outcome == "bad"}
    for subject in sorted(bad - lasting, key=str):
        pair, verdict = verdicts[subject]
        if not _is_covered(pair, verdict, pairs, bad | lasting):
            changes.append(_open_episode(model, gate, pair, verdict, as_of))
    return changes


def list_technical_episodes(ledger: LedgerState) -> list[Entry]:
    """Return the open episodes of the technical gate, oldest first."""
    return [
        e for e in ledger.open_episodes if read_evidence(e, EpisodeOpened).kind == TECHNICAL_KIND
    ]


def find_refusal(ledger: LedgerState, as_of: datetime) -> Entry | None:
    """Return the entry that ends the running rollout; None without an open episode about it."""
    running = find_rollout(ledger.entries)
    if running is None:
        return None
    episodes = [e for e in list_technical_episodes(ledger) if _is_about(e, running.version)]
    if not episodes:
        return None
    shown, stage = _read_numbers(episodes), Refused(stage=running.stage)
    return make_refused(
        episodes[0].model, running.version, as_of, TECHNICAL_ACTOR,
        merge_evidence(Refused, shown, stage),
    )  # fmt: skip


def find_technical_rollback(ledger: LedgerState, as_of: datetime) -> Entry | None:
    """Return the request to undo the champion's promotion; None without an episode about it.

    Only an episode of its bake window counts, which compares it with the version before.
    """
    promotion, bake = ledger.champion, find_bake(ledger.entries, as_of)
    if promotion is None or bake is None or promotion.what != "promoted":
        return None
    episodes = [
        e
        for e in list_technical_episodes(ledger)
        if _is_about(e, bake.version) and e.seq > promotion.seq
    ]
    if not episodes:
        return None
    shown = _read_numbers(episodes)
    return make_rollback_asked(promotion, episodes[0], as_of, TECHNICAL_ACTOR, shown)


def _find_end(
    episode: Entry,
    ledger: LedgerState,
    pairs: Sequence[ServingPair],
    judged: tuple[ServingPair, TechnicalVerdict] | None,
) -> str | None:
    """Return why an episode closes; None while it stays open."""
    cause = read_evidence(episode, EpisodeOpened).cause
    subjects = {(pair.name_cause(each), pair.version) for pair in pairs for each in QUANTITIES}
    if (cause, episode.version) not in subjects or _is_older_than_champion(episode, ledger):
        return f"version {episode.version} does not serve in this role any more"
    if judged is not None and judged[1].outcome == "good":
        return "the last looks are good"
    return None


def _is_covered(
    pair: ServingPair,
    verdict: TechnicalVerdict,
    pairs: Sequence[ServingPair],
    bad: Collection[_Subject],
) -> bool:
    """Return whether a version that is bad alone is bad beside another one too: one page is enough.

    Args:
        pair: what is judged.
        verdict: on one of its quantities.
        pairs: all that are judged.
        bad: cause and version of all that is bad.
    """
    quantity = verdict.latest.quantity
    return pair.other is None and any(
        each.other is not None
        and each.version == pair.version
        and (each.name_cause(quantity), each.version) in bad
        for each in pairs
    )


def _judge(
    pair: ServingPair, gate: TechnicalGate, periods: Sequence[TallyPeriod]
) -> dict[Quantity, TechnicalVerdict]:
    own = list(_list_periods_since(periods, pair.since, gate))
    if pair.other is None:
        return judge_alone(own, pair.version, gate)
    return judge_beside(own, pair.version, pair.other, gate)


def _list_periods_since(
    periods: Sequence[TallyPeriod], since: datetime, gate: TechnicalGate
) -> Iterator[TallyPeriod]:
    """Yield the periods that began after a moment."""
    for period in periods:
        if period.end - gate.every_seconds >= since.timestamp():
            yield period


def _is_about(episode: Entry, version: int) -> bool:
    """Return whether an episode compared this version with another one."""
    return (
        episode.version == version and read_evidence(episode, EpisodeOpened).reference is not None
    )


def _is_older_than_champion(episode: Entry, ledger: LedgerState) -> bool:
    champion = ledger.champion
    return champion is not None and champion.seq > episode.seq


def _open_episode(
    model: str, gate: TechnicalGate, pair: ServingPair, verdict: TechnicalVerdict, as_of: datetime
) -> Entry:
    look = verdict.latest
    evidence = EpisodeOpened(
        cause=pair.name_cause(look.quantity),
        kind=TECHNICAL_KIND,
        severity=gate.severity,
        message=verdict.describe(pair.version, pair.other),
        value=look.value,
        reference=look.other,
        threshold=look.limit,
        rows=look.requests,
    )
    return make_episode_opened(model, pair.version, as_of, TECHNICAL_ACTOR, evidence)


def _read_numbers(episodes: Sequence[Entry]) -> StepEvidence:
    """Return what the episodes measured as the evidence of a decision."""
    opened = [read_evidence(each, EpisodeOpened) for each in episodes]
    checks = [
        GateCheck(
            each.subject.partition(":")[0], f"at most {each.threshold:.4g}", each.message, "fail"
        )
        for each in opened
    ]
    reason = "; ".join(each.message for each in opened)
    return StepEvidence(reason=reason, gates=checks, rows=opened[0].rows)
