"""Access guard of the prediction server: host, origin and token of each request.

A request on loopback needs a token only if the settings have one. On any other address the server
does not start without one. Feedback and rows need the token of writers, if there is one.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from configs.errors import BadConfig
from configs.settings import settings
from infra.servers.guard import (
    LOOPBACK,
    allowed_hosts,
    find_refusal,
    is_same_token,
    read_bearer,
)

_HEALTH = frozenset({"/live", "/ready", "/ping", "/v2/health/live", "/v2/health/ready"})
_WRITTEN = ("/feedback", "/tables/")
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class PredictionGuard:
    """ASGI middleware in front of the prediction server."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """Put the guard in front of `app`.

        Args:
            app: the server's own application.
            host: address on which it listens.

        Raises:
            BadConfig: others can reach the address, and the settings have no token.
        """
        self._app, self._tokens = app, _list_tokens()
        self._writers = [settings().serving_write_token] if settings().serving_write_token else []
        self._hosts = {*LOOPBACK, *allowed_hosts(), host.lower()}
        require_serving_token(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        reason = find_refusal(connection, self._hosts)
        if reason is not None:
            await JSONResponse({"error": reason}, 403)(scope, receive, send)
        elif scope["path"] not in _HEALTH and not self._has_token(connection):
            error = {"error": "the token of this server is missing or not valid"}
            headers = {"WWW-Authenticate": "Bearer"}
            await JSONResponse(error, 401, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _has_token(self, connection: HTTPConnection) -> bool:
        presented, writes = read_bearer(connection), connection.url.path.startswith(_WRITTEN)
        tokens = self._writers if writes and self._writers else self._tokens
        return not tokens or any(is_same_token(presented, each) for each in tokens)


def is_allowed_reader(authorization: str) -> bool:
    """Return whether an authorization header has a token of callers; true if there is none."""
    tokens = _list_tokens()
    presented = authorization.removeprefix("Bearer ")
    return not tokens or any(is_same_token(presented, each) for each in tokens)


def require_serving_token(host: str) -> None:
    """Raise BadConfig if others can reach an address, and the settings have no token."""
    if host not in _LOCAL and not _list_tokens():
        raise BadConfig(
            f"others can reach {host}, and the prediction server has no token. Set "
            "MAINSPRING_SERVING_TOKEN, or listen on 127.0.0.1"
        )


def _list_tokens() -> list[str]:
    config = settings()
    return [token for token in (config.serving_token, config.serving_write_token) if token]
