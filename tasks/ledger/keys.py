"""Keys of ledger entries: an entry of the same model and key is recorded once."""

from __future__ import annotations

from datetime import datetime

from tasks.ledger.log import Entry


def closing_key(episode: Entry) -> str:
    """Return the key of the entry that closes an episode."""
    return f"closed:{episode.key}"


def claim_key(alert: Entry) -> str:
    """Return the key of the entry by which a run claims an alert."""
    return f"retrain:{alert.key}"


def candidate_key(origin: str) -> str:
    """Return the key of the candidate of an alert or a training run."""
    return f"candidate:{origin}"


def deferral_key(version: int, at: datetime) -> str:
    """Return the key of the deferral of a version on a day."""
    return f"deferred:{version}:{at:%Y-%m-%d}"


def look_key(version: int, number: int) -> str:
    """Return the key of a look of the gate that shows no verdict yet."""
    return f"look:{version}:{number}"


def approval_request_key(version: int) -> str:
    """Return the key of the request to approve a version."""
    return f"approval_asked:{version}"


def approval_key(version: int) -> str:
    """Return the key of a person's approval or rejection of a version."""
    return f"approval:{version}"


def refit_key(version: int) -> str:
    """Return the key of the request to refit a version; it is the origin of the refit too."""
    return f"refit:{version}"


def refit_dropped_key(version: int) -> str:
    """Return the key of the entry that says why a version has no refit."""
    return f"refit_dropped:{version}"


def decision_key(version: int) -> str:
    """Return the key of the decision on a version, by the gate or its rollout."""
    return f"decision:{version}"


def manual_promotion_key(version: int, earlier: int = 0) -> str:
    """Return the key of a manual promotion, after a number of earlier ones of the same version."""
    return f"hand:{version}:{earlier + 1}" if earlier else f"hand:{version}"


def rollback_key(request: Entry) -> str:
    """Return the key of the rollback that a request asks for."""
    return request.key.replace("undo:", "rollback:", 1)


def is_manual_promotion(entry: Entry) -> bool:
    """Return whether an entry is a promotion that a person decided."""
    return entry.what == "promoted" and entry.key.startswith("hand:")
