"""The damage episode: it pages while files of the state are damaged and a person must replace them.

    opens    a verification finds a file that cannot be made again
    closes   a later verification finds none

While it is open, no alert requests retraining: a model must not learn from damaged data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.ledger.causes import DAMAGE_KIND, join_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState

VERIFY_ACTOR = "verify"
_CAUSE = join_cause(DAMAGE_KIND, "state")
_SHOWN = 3  # damages in the message


def find_damage_change(
    model: str, ledger: LedgerState, lost: Sequence[str], as_of: datetime
) -> Entry | None:
    """Return the entry that opens or closes the episode; None if nothing changes.

    Args:
        model: name of the use case.
        ledger: the state of the ledger.
        lost: the damages that a person must repair, in words.
        as_of: time of the verification.
    """
    past = ledger.at(as_of)
    causes = {read_evidence(entry, EpisodeOpened).cause: entry for entry in past.open_episodes}
    episode = causes.get(_CAUSE)
    if lost and episode is None:
        evidence = EpisodeOpened(
            cause=_CAUSE,
            kind=DAMAGE_KIND,
            severity="page",
            message=_describe_damages(lost),
            value=float(len(lost)),
        )
        return make_episode_opened(model, past.champion_version, as_of, VERIFY_ACTOR, evidence)
    if episode is not None and not lost:
        return make_episode_closed(episode, "no file is damaged", as_of, VERIFY_ACTOR)
    return None


def _describe_damages(lost: Sequence[str]) -> str:
    more = f"; and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    return "; ".join(lost[:_SHOWN]) + more + "; see `mainspring verify`"
