"""The Prefect events that ask for the next step of the loop; the automations answer them.

An event says no more than the ledger's entry behind it: it may be lost or come twice. Each one
carries a label of its own name with what it is about, so that an automation counts by it:
however often one alert is sent in a burst, it starts one run.
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect.events import emit_event

from tasks.ledger import Entry

ALERT = "mainspring.alert"
CANDIDATE = "mainspring.candidate"
PROMOTED = "mainspring.promoted"


def resource_of(use_case: str) -> str:
    """The id of the Prefect resource that all events of a use case's model are about."""
    return f"mainspring.model.{use_case}"


def emit_alert(entry: Entry) -> None:
    """Ask for retraining; the payload names the alert by its key in the ledger."""
    _emit(ALERT, entry, entry.key, {"alert": entry.key})


def emit_candidate(entry: Entry) -> None:
    """Ask for the decision on a registered challenger."""
    _emit(CANDIDATE, entry, str(entry.version), {"version": entry.version})


def emit_promoted(entry: Entry) -> None:
    """Tell that a version is champion from the entry's moment on."""
    _emit(PROMOTED, entry, str(entry.version), {"version": entry.version})


def _emit(event: str, entry: Entry, subject: str, payload: Mapping[str, object]) -> None:
    resource = {
        "prefect.resource.id": resource_of(entry.model),
        "prefect.resource.name": entry.model,
        event: subject,
    }
    always = {"use_case": entry.model, "as_of": entry.at.isoformat()}
    emit_event(event, resource=resource, payload={**always, **payload})
