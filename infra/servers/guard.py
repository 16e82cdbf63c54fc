"""Access guard of the servers: ASGI middleware that checks host, origin and token of each request.

A browser sends the requests of any web page to a server on this machine, also to one that listens
on loopback only. So three things are checked, in this order:

1. The `Host` header names this server. A page whose own name resolves to this machine (DNS
   rebinding) is refused.
2. The request comes from no page of another origin: neither `Origin` nor `Sec-Fetch-Site` says so.
   Another port of this machine is another origin. Only a link that a person follows is let in.
3. It has the token as `Authorization` (Basic or Bearer), or the cookie of a signed-in browser.

The link to sign in has the token after a `#`. A browser never sends that part, so the token is in
no log. The page behind the link posts it and gets the cookie, which no script can read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from configs.settings import settings
from infra.servers.credentials import basic_authorization

SIGN_IN = "/sign-in"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_COOKIE_SECONDS = 30 * 24 * 3600
_LONGEST_TOKEN = 1000  # characters of a sign-in request
_POLICY_VIOLATION = 1008  # close code of a websocket; before `accept` the client sees HTTP 403
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    # Pages of Prefect and MLflow hold clients of analytics services: this server is all they reach.
    "Content-Security-Policy": "connect-src 'self'; frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SCRIPT = """
const form = document.forms[0];
const asked = new URLSearchParams(location.search).get("next") || "/";
const isToken = /^#[A-Za-z0-9._~-]{16,}$/.test(location.hash);
// a browser keeps the part after the # of the address that it was sent here from
const next = (/^[/](?![/\\\\])/.test(asked) ? asked : "/") + (isToken ? "" : location.hash);
async function signIn(token) {
  const response = await fetch("/sign-in", {method: "POST", body: token});
  if (response.ok) location.replace(next);
  else document.querySelector("output").textContent = "This token is not valid.";
}
form.onsubmit = event => { event.preventDefault(); signIn(form.token.value); };
const token = isToken ? location.hash.slice(1) : "";
if (token) { history.replaceState(null, "", location.pathname); signIn(token); }
// a link from outside comes without the cookie, although this browser has it
else fetch("/sign-in", {method: "HEAD"}).then(r => { if (r.ok) location.replace(next); });
"""
_PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Mainspring: sign in</title>
<form><p>Open the link that <code>mainspring up</code> prints, or enter the token.</p>
<input name="token" type="password" aria-label="Token" autofocus> <button>Sign in</button>
<output></output></form><script>{_SCRIPT}</script></html>"""
_SCRIPT_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_PAGE_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_SCRIPT_DIGEST}'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class Guard:
    """ASGI middleware in front of a whole server; see this module's docstring."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: Collection[str],
        health: Collection[str],
        checks_token: bool = False,
    ) -> None:
        """Put the guard in front of `app`.

        Args:
            app: the server's own application.
            token: the secret of this server.
            hosts: names by which it may be called, besides those of loopback.
            health: paths that a caller may read without a token; they hold no data.
            checks_token: whether `app` itself expects the token as Basic authorization, and checks
                it on a websocket in the first message.
        """
        self._app, self._token, self._health = app, token, frozenset(health)
        self._hosts = {*LOOPBACK, *hosts}
        self._checks_token = checks_token
        self._cookie_name = "mainspring_" + _sign(token, "name")[:8]  # ports share their cookies
        self._cookie = _sign(token, "cookie")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on to the server."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        response = await self._respond(connection, receive)
        if response is None:
            await self._pass_on(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await response(scope, receive, _with_headers(send))

    async def _respond(self, connection: HTTPConnection, receive: Receive) -> Response | None:
        """Return the guard's own response; None if the request may pass."""
        reason = find_refusal(connection, self._hosts)
        if reason is not None:
            return JSONResponse({"error": reason}, 403)
        method, path = connection.scope.get("method", ""), connection.scope["path"]
        if path == SIGN_IN and method in ("GET", "POST"):
            return await self._sign_in(Request(connection.scope, receive))
        if path == SIGN_IN and method == "HEAD":
            return Response(status_code=204 if self._has_token(connection) else 401)
        if (path in self._health and method in ("GET", "HEAD")) or self._has_token(connection):
            return None
        if connection.scope["type"] == "websocket" and self._checks_token:
            return None
        if method == "GET" and "text/html" in connection.headers.get("accept", ""):
            return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': path})}", 303)
        return JSONResponse({"error": "the token of this server is missing or not valid"}, 401)

    def _has_token(self, connection: HTTPConnection) -> bool:
        if bearer := read_bearer(connection):
            return is_same_token(bearer, self._token)
        authorization = connection.headers.get("authorization", "")
        if authorization[:6].lower() == "basic ":
            return is_same_token(authorization, basic_authorization(self._token))
        return is_same_token(connection.cookies.get(self._cookie_name, ""), self._cookie)

    async def _sign_in(self, request: Request) -> Response:
        """Return the page that posts the token, or check the token and set the cookie."""
        if request.method == "GET":
            return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _PAGE_POLICY})
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_TOKEN:
                break
        if not is_same_token(body.decode(errors="replace").strip(), self._token):
            return JSONResponse({"error": "the token is not valid"}, 401)
        response = Response(status_code=204)
        response.set_cookie(
            self._cookie_name,
            self._cookie,
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._checks_token and self._has_token(HTTPConnection(scope)):
            headers = MutableHeaders(scope=scope)
            headers["Authorization"] = basic_authorization(self._token)  # instead of the cookie
        await self._app(scope, receive, _with_headers(send))


def find_refusal(connection: HTTPConnection, names: Collection[str]) -> str | None:
    """Return why a request is refused whatever token it has; None if it is not.

    Args:
        connection: the request.
        names: names by which the server may be called.
    """
    hosts = connection.headers.getlist("host")
    match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    if match is None or match["name"] not in names:
        return "this server is not called by this name; see MAINSPRING_ALLOWED_HOSTS"
    for origin in connection.headers.getlist("origin"):
        if urlsplit(origin).netloc.lower() != hosts[0].lower():
            return "requests of pages of another origin are refused"
    site = connection.headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin") and not _is_followed_link(connection):
        return "requests of pages of another origin are refused"
    return None


def read_bearer(connection: HTTPConnection) -> str:
    """Return the token of a request's `Authorization: Bearer`; "" without one."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "bearer" else ""


def allowed_hosts() -> list[str]:
    """Return the names of the settings by which the servers may be called."""
    names = [settings().host, *settings().allowed_hosts.split(",")]
    return [name.strip().lower() for name in names if name.strip()]


def sign_in_link(url: str, token: str) -> str:
    """Return the link that signs a browser in at `url`, or asks for the token if it is empty."""
    return f"{url}{SIGN_IN}#{token}" if token else f"{url}{SIGN_IN}"


def _is_followed_link(connection: HTTPConnection) -> bool:
    """Return whether a person follows a link to a page: a request without effect on the server."""
    headers = connection.headers
    navigates = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return connection.scope.get("method") == "GET" and navigates == ("navigate", "document")


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the security headers which the response does not set itself."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def is_same_token(presented: str, expected: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(presented.encode(errors="replace"), expected.encode())


def _sign(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()
