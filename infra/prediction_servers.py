"""Prediction servers of the local stack: one for each use case with a `serving` section."""

from __future__ import annotations

from collections.abc import Mapping

from configs.schema.loading import all_use_cases
from configs.settings import settings

SERVING = "serving"
_PREFIX = f"{SERVING}-"


def list_prediction_servers() -> Mapping[str, str]:
    """Return the address of each server by the name of its process.

    The first use case by name has MAINSPRING_SERVING_PORT, and the others the ports after it.
    """
    served = [case.name for case in all_use_cases().sound if case.serving is not None]
    host, first = settings().host, settings().serving_port
    return {
        f"{_PREFIX}{name}": f"http://{host}:{first + place}"
        for place, name in enumerate(sorted(served))
    }


def is_prediction_server(name: str) -> bool:
    """Return whether a process of the stack is a prediction server."""
    return name.startswith(_PREFIX)


def serving_arguments(name: str) -> str:
    """Return module and arguments of the server with this process name."""
    port = list_prediction_servers()[name].rpartition(":")[2]
    use_case = name.removeprefix(_PREFIX)
    return f"flows.cli.app serve {use_case} --host {settings().host} --port {port}"
