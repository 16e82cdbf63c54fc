"""Sending of requests: unanswered ledger entries as Prefect events."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.ledger.descriptions import read_promotion
from tasks.ledger.log import Entry
from tasks.orchestration.events import request_next_step


def send_requests(requests: Iterable[Entry]) -> None:
    """Emit the event of each request, in order.

    Sending again is safe: an automation counts events by request, and starts one run for each.
    """
    for request in requests:
        request_next_step(request, read_promotion(request))
