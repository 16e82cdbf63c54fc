"""Prefect events of the loop: requests for its next step, and announcements.

An event repeats a ledger entry, because events may be lost or arrive twice. Each event has a label
of its own name that identifies its subject. Automations count by that label, so an alert that is
sent several times in a minute starts one run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from prefect.events import emit_event

from infra.fault_injection import effect

ALERT_EVENT = "mainspring.alert"
CANDIDATE_EVENT = "mainspring.candidate"
ROLLBACK_EVENT = "mainspring.rollback"
PROMOTED_EVENT = "mainspring.promoted"
ROLLED_BACK_EVENT = "mainspring.rolled-back"
REFUSED_EVENT = "mainspring.refused"
LOST_EVENT = "mainspring.rows-lost"
MONITORING_EVENT = "mainspring.monitoring-alert"


class EventEntry(Protocol):
    """The parts of a ledger entry that an event carries."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def what(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def at(self) -> datetime: ...  # noqa: D102
    @property
    def version(self) -> int | None: ...  # noqa: D102


def event_resource(use_case: str) -> str:
    """Return the id of the Prefect resource of a use case's model, the subject of its events."""
    return f"mainspring.model.{use_case}"


def request_next_step(entry: EventEntry, promotion: str | None = None) -> None:
    """Emit the event of a request in the ledger; `promotion` is the key that a rollback undoes.

    An alert requests retraining, a shown loss a rollback, all others the next step of a candidate.
    A version has several requests, so their moment is part of what an automation counts.
    """
    if entry.what == "alert_raised":
        _emit(ALERT_EVENT, entry, entry.key, {"alert": entry.key})
    elif entry.what == "rollback_asked":
        _emit(ROLLBACK_EVENT, entry, str(promotion), {"promotion": promotion})
    else:
        subject = f"{entry.version} {entry.at.isoformat()}"
        _emit(CANDIDATE_EVENT, entry, subject, {"version": entry.version})


def announce_champion(entry: EventEntry) -> None:
    """Emit the event of a new champion: promoted, or restored by a rollback."""
    event = {"promoted": PROMOTED_EVENT, "rolled_back": ROLLED_BACK_EVENT}.get(entry.what)
    if event is not None:
        _emit(event, entry, str(entry.version), {"version": entry.version})


def announce_lost_rows(entry: EventEntry, message: str) -> None:
    """Emit the event of an episode of lost rows that opened."""
    _emit(LOST_EVENT, entry, entry.key, {"episode": entry.key, "message": message})


def announce_monitoring_alert(entry: EventEntry, message: str) -> None:
    """Emit the event of an alert of Alertmanager that opened or closed an episode."""
    payload = {"episode": entry.key, "status": entry.what.removeprefix("episode_")}
    _emit(MONITORING_EVENT, entry, entry.key, {**payload, "message": message})


def _emit(event: str, entry: EventEntry, subject: str, payload: Mapping[str, object]) -> None:
    resource = {
        "prefect.resource.id": event_resource(entry.model),
        "prefect.resource.name": entry.model,
        event: subject,
    }
    common = {"use_case": entry.model, "as_of": entry.at.isoformat()}
    with effect(f"emit {event}"):
        emit_event(event, resource=resource, payload={**common, **payload})
