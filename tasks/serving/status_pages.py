"""Pages of the prediction server about itself: health, metadata, metrics, OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasks.serving.openapi import build_openapi
from tasks.serving.protocols.v2 import describe_inputs, describe_outputs
from tasks.serving.service import PredictionService

_Page = Callable[[Request], Awaitable[Response]]


def to_json(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with JSON."""
    return Response(msgspec.json.encode(content), status, headers, "application/json")


class StatusPages:
    """What the server says of itself and of its model, in the words of each protocol."""

    def __init__(self, service: PredictionService) -> None:
        self.service, self._name = service, service.use_case.name

    def list_routes(self) -> list[Route]:
        """Return the routes of the pages."""
        model, version = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
        pages: dict[str, _Page] = {
            "/": self.show_health, "/health": self.show_health, "/live": self.show_live,
            "/ready": self.show_ready, "/ping": self.show_ready, "/metrics": self.show_metrics,
            "/openapi.json": self.show_openapi,
            "/v1/models": self.list_models, "/v1/models/{name}": self.show_v1_status,
            "/v1/models/{name}/metadata": self.show_metadata,
            "/v2": self.show_server, "/v2/health/live": self.show_live,
            "/v2/health/ready": self.show_ready, model: self.show_metadata,
            version: self.show_metadata, f"{model}/ready": self.show_model_ready,
            f"{version}/ready": self.show_model_ready,
        }  # fmt: skip
        return [Route(path, page, methods=["GET"]) for path, page in pages.items()]

    async def show_live(self, _request: Request) -> Response:
        """Return that the process responds."""
        return to_json({"live": True})

    async def show_ready(self, _request: Request) -> Response:
        """Return whether the server can predict."""
        ready = self.service.keeper.served is not None and not self.service.is_closed
        return to_json({"ready": ready}, 200 if ready else 503)

    async def show_model_ready(self, request: Request) -> Response:
        """Return whether the model can predict."""
        self.service.require_model(request.path_params)
        served = self.service.keeper.served
        return to_json(
            {"name": self._name, "ready": served is not None},
            503 if served is None else 200,
        )

    async def show_health(self, _request: Request) -> Response:
        """Return the route that serves, and what keeps the server from following the ledger."""
        served, problems = self.service.keeper.served, self.service.keeper.problems
        status = "starting" if served is None else "problems" if problems else "ready"
        route = None
        if served is not None:
            plan = served.route
            route = {
                "champion": plan.champion, "challenger": plan.challenger, "share": plan.share,
                "previous": plan.previous, "versions": sorted(served.versions),
            }  # fmt: skip
        return to_json(
            {
                "status": status,
                "model": self._name,
                "route": route,
                "problems": problems,
            }
        )

    async def show_metrics(self, _request: Request) -> Response:
        """Return the metrics for Prometheus."""
        text = await asyncio.to_thread(self.service.metrics.render)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def show_openapi(self, _request: Request) -> Response:
        """Return the OpenAPI document, with an example that works."""
        served = self.service.require_served()
        return to_json(build_openapi(self.service.use_case, served))

    async def list_models(self, _request: Request) -> Response:
        """Return the models of this server."""
        return to_json({"models": [self._name]})

    async def show_server(self, _request: Request) -> Response:
        """Return what V2 says of a server."""
        return to_json({"name": "mainspring", "version": "1", "extensions": ["binary_tensor_data"]})

    async def show_v1_status(self, request: Request) -> Response:
        """Return the status of the model, as TensorFlow Serving and KServe write it."""
        self.service.require_model(request.path_params)
        served = self.service.keeper.served
        versions = [] if served is None else sorted(served.versions)
        states = [
            {
                "version": str(version), "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for version in versions
        ]  # fmt: skip
        ready = {"name": self._name, "ready": served is not None}
        return to_json({**ready, "model_version_status": states})

    async def show_metadata(self, request: Request) -> Response:
        """Return inputs and outputs, as V2 writes them."""
        self.service.require_model(request.path_params)
        served = self.service.require_served()
        return to_json(
            {
                "name": self._name,
                "versions": [str(served.route.champion)],
                "platform": "onnxruntime_onnx",
                "inputs": describe_inputs(served.schema),
                "outputs": describe_outputs(served),
            }
        )
