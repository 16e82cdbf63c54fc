"""The command `serve`: the prediction server of one use case."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from configs.schema.loading import load_use_case
from configs.settings import settings
from flows.cli.options import Name
from flows.cli.servers.row_keeper import start_row_keeper
from tasks.reporting.terminal import render_text

if TYPE_CHECKING:
    from infra.servers.prediction_guard import PredictionGuard
    from tasks.serving.service import PredictionService

_console = Console()
_USE_CASE, _HOST, _METRICS, _GRPC = (
    f"MAINSPRING_SERVED_{name}" for name in ("USE_CASE", "HOST", "METRICS", "GRPC_PORT")
)
_DRAIN_SECONDS = 30  # requests that are at work end within it
_OWN_ENVIRONMENT = {"ORT_DISABLE_TELEMETRY": "1"}


def serve(
    use_case: Name,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port (default: MAINSPRING_SERVING_PORT, 8080)."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: MAINSPRING_HOST).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes on the same port.")] = 1,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of V2 over gRPC (default: none)."),
    ] = None,
) -> None:
    """Serve predictions over HTTP: V1, V2 and /invocations, by the route of the ledger.

    A promotion, a rollout step and a rollback hold within two seconds. SIGTERM lets the requests
    that are at work end. MAINSPRING_SERVING_TOKEN is the token of callers.
    """
    import uvicorn

    from infra.servers.prediction_guard import require_serving_token

    case, address = load_use_case(use_case), host or settings().host
    require_serving_token(address)  # fails here, and not in every worker
    own = {_USE_CASE: case.name, _HOST: address, _GRPC: str(grpc_port or "")}
    os.environ.update(_OWN_ENVIRONMENT | own)
    number = port or settings().serving_port
    _console.print(render_text(f"serving {case.name} on http://{address}:{number}/openapi.json"))
    with TemporaryDirectory() as folder:
        if workers > 1:
            os.environ.update({_METRICS: folder, "PROMETHEUS_MULTIPROC_DIR": folder})
        start_row_keeper(case)  # a daemon: it ends with this process
        uvicorn.run(
            f"{__name__}:create_app", factory=True, host=address, port=number, workers=workers,
            access_log=False, log_level="warning", timeout_graceful_shutdown=_DRAIN_SECONDS,
            server_header=False, h11_max_incomplete_event_size=64 * 1024,
        )  # fmt: skip


def create_app() -> PredictionGuard:
    """Return the server's application behind its guard; each worker calls it."""
    from configs.clock import utc_or_now
    from infra.servers.prediction_guard import PredictionGuard, is_allowed_reader
    from tasks.promotion.technical.watch import TechnicalWatch
    from tasks.serving.app import create_prediction_app
    from tasks.serving.protocols.grpc_server import GrpcServer

    case, shared_metrics = load_use_case(os.environ[_USE_CASE]), os.environ.get(_METRICS, "")
    host, port = os.environ[_HOST], os.environ[_GRPC]

    def make_grpc_server(service: PredictionService) -> GrpcServer:
        return GrpcServer(service, f"{host}:{port}", is_allowed_reader)

    app = create_prediction_app(
        case, utc_or_now, shared_metrics, make_grpc_server if port else None
    )
    if case.serving and (gate := case.serving.technical):
        TechnicalWatch(case, gate, app.state.service.tally, utc_or_now).start()
    return PredictionGuard(app, host)
