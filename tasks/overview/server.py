"""Reports server: the files below `reports`, `/metrics` for Prometheus, `/alerts` of Alertmanager.

Every path but `/health` needs the token. `/alerts` takes it only as a bearer token, so no page of
this server can post one with the cookie of its reader.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from configs.clock import utc_or_now
from configs.errors import BadConfig, MainspringError
from configs.schema.loading import all_use_cases
from infra.servers.guard import Guard, read_bearer
from infra.servers.reports import guard_reports
from tasks.ledger.descriptions import read_reason
from tasks.ledger.log import Entry, open_ledger
from tasks.overview.metrics.scrape import ReportsMetrics
from tasks.telemetry.alert_episodes import AlertOutcomes, record_alerts

_LONGEST_MESSAGE = 2_000_000  # bytes of a webhook message
_log = logging.getLogger(__name__)


def serve_reports() -> None:
    """Serve the reports of the settings until the process is stopped."""
    import uvicorn

    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(create_reports_app(), host=options.host, port=options.port, log_level="warning")


def create_reports_app() -> Guard:
    """Return the application behind the guard."""
    service = _ReportsService()
    routes = [
        Route("/metrics", service.show_metrics),
        Route("/alerts", service.receive_alerts, methods=["POST"]),
    ]
    return guard_reports(routes)


class _ReportsService:
    """The two paths that are no files."""

    def __init__(self) -> None:
        self._metrics = ReportsMetrics()

    def show_metrics(self, _: Request) -> Response:
        """Return the text of a scrape."""
        text = self._metrics.render(utc_or_now())
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def receive_alerts(self, request: Request) -> Response:
        """Record the alerts of a message: 200, 422 if some were refused, 503 to send it again.

        Alertmanager sends a message again after a status of 500 or more, and after no other one.
        """
        if not read_bearer(request):
            return JSONResponse({"error": "send the token as `Authorization: Bearer`"}, 401)
        message = b""
        async for chunk in request.stream():
            message += chunk
            if len(message) > _LONGEST_MESSAGE:
                self._metrics.count_refused()
                error = f"the message is longer than {_LONGEST_MESSAGE} bytes; set `max_alerts`"
                return JSONResponse({"error": error}, 413)
        return await run_in_threadpool(self._record, message)

    def _record(self, message: bytes) -> Response:
        try:
            use_cases = all_use_cases()
            names = {each.name for each in use_cases.sound} | set(use_cases.broken)
            outcomes = record_alerts(open_ledger(), message, names, utc_or_now())
        except BadConfig as error:
            self._metrics.count_refused()
            return JSONResponse({"error": str(error)}, 422)
        except MainspringError as error:  # the ledger is not available
            _log.error("alerts were not recorded: %s", error)
            return JSONResponse({"error": str(error)}, 503)
        self._metrics.count_alerts(outcomes)
        task = BackgroundTask(publish_alert_episodes, outcomes.recorded)
        return JSONResponse(
            _describe_outcomes(outcomes), 422 if outcomes.refused else 200, background=task
        )


def publish_alert_episodes(entries: Sequence[Entry]) -> None:
    """Emit the Prefect event of each entry, and write the pages of their models.

    The ledger has the episodes already, so a failure loses nothing: it is logged.
    """
    from tasks.orchestration.events import announce_monitoring_alert
    from tasks.overview.write import write_overview

    for entry in entries:
        try:
            announce_monitoring_alert(entry, read_reason(entry))
        except Exception:  # noqa: BLE001 - of one event; the ledger has what it says
            _log.exception("the event of %s was not sent", entry.key)
    sound = {each.name: each for each in all_use_cases().sound}
    for name in sound.keys() & {entry.model for entry in entries}:
        try:
            write_overview(sound[name], None)
        except Exception:  # noqa: BLE001 - of one model; the next run writes its page again
            _log.exception("the overview of %s was not written", name)


def _describe_outcomes(outcomes: AlertOutcomes) -> dict[str, object]:
    recorded = [entry.key for entry in outcomes.recorded]
    return {"recorded": recorded, "known": outcomes.known, "refused": outcomes.refused}


if __name__ == "__main__":
    serve_reports()
