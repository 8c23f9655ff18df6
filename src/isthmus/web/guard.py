"""`Guard`: access control for every request and every socket, before any handler runs.

It is one place for all routes, so that none can be forgotten. A request passes if its Host is ours (against DNS
rebinding), its Origin is ours or absent where that is normal (so that no other site can write), and it has the token:
as a Bearer, in the cookie of the page, or once as `?token=`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = {"GET", "HEAD"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Where the server listens, and its token. `names`: the host names that a browser may use for it."""

    token: str
    port: int
    names: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    open_to_network: bool = False

    @property
    def cookie(self) -> str:
        """The cookie's name. It contains the port, because cookies ignore ports and a machine may run two servers."""
        return f"isthmus-{self.port}"

    def knows(self, host: str) -> bool:
        """Whether a Host header means this server; in network mode any IP address does, but only known names."""
        name, _, port = host.lower().rpartition(":")
        if not name or not port.isascii() or not port.isdigit():
            name, port = host.lower(), "80"
        if port.lstrip("0") != str(self.port):  # compared as text: Python refuses to parse 5,000 digits
            return False
        return name in self.names or (self.open_to_network and _is_address(name))

    def opens(self, given: str | None) -> bool:
        """Whether `given` is the token, compared in constant time."""
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())


class Guard:
    """The ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        answer = self._refusal(scope)
        if answer is not None:
            await self._refuse(answer, scope, receive, send)
        elif scope["type"] == "http":
            await self.app(scope, receive, self._dressed(scope, send))
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or not self.access.knows(headers["host"]):
            return _refused(
                403,
                "GUARD-HOST",
                "the Host header does not name this server.",
                "open the address that `isthmus serve` printed",
            )
        foreign = self._foreign(scope, headers)
        if foreign:
            return _refused(403, "GUARD-ORIGIN", foreign, "use the page of this server")
        if not self._has_token(scope, headers):
            if scope["path"] == "/":
                return PlainTextResponse(
                    "This page needs a token: open the full address that `isthmus serve` printed.\n", 401
                )
            return _refused(
                401,
                "GUARD-TOKEN",
                "the token is missing or wrong.",
                "open the address that `isthmus serve` printed, or send `Authorization: Bearer TOKEN`",
            )
        return None

    def _foreign(self, scope: Scope, headers: Headers) -> str | None:
        """Why the request counts as foreign, or None. Browsers send two headers about this; programs send neither."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        visit = scope.get("method") == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if origin is not None and origin.lower() not in {f"{s}://{headers['host'].lower()}" for s in ("http", "https")}:
            return f"the request comes from another site ({origin[:80]!r})."
        if site in {"cross-site", "same-site"} and not visit:
            return "the request comes from another site."
        by_cookie = "authorization" not in headers
        writes = scope["type"] == "websocket" or scope.get("method") not in SAFE
        if writes and by_cookie and origin is None and "cookie" in headers:
            return "the request does not say which site it comes from."
        return None

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        bearer = headers.get("authorization")
        if bearer is not None:
            kind, _, given = bearer.partition(" ")
            return kind.lower() == "bearer" and self.access.opens(given.strip())
        return self.access.opens(_cookies(headers).get(self.access.cookie)) or self._brings_token(scope)

    def _brings_token(self, scope: Scope) -> bool:
        """Whether the address has the token. Only the page's own address may, so that no other address contains it."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return False
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return self.access.opens(query.get("token", [None])[0])

    def _dressed(self, scope: Scope, send: Send) -> Send:
        cookie = f"{self.access.cookie}={self.access.token}; Path=/; HttpOnly; SameSite=Strict"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                _dress(headers)
                if self._brings_token(scope):
                    headers.append("Set-Cookie", cookie)
            await send(message)

        return dressed

    async def _refuse(self, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        _dress(answer.headers)
        answer.headers["Connection"] = "close"  # the rest of the request body is not read
        await answer(scope, receive, send)


def _dress(headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)


def _refused(status: int, code: str, message: str, fix: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "fix": fix}}, status)


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: part.value for name, part in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


__all__ = ["Access", "Guard"]
