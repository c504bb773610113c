"""Who may speak to the studio: the holder of a token, from this machine's own pages, in small pieces.

A page on another site can make a browser send requests to this machine, and a name of that site can be made to point
here (DNS rebinding). So every request must name a known host; every request that changes anything must also come from
one of our own pages, and carry a header that a foreign page can neither read nor send.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CSRF", "HEADERS", "Gate", "Keys", "read_body"]

CSRF = "x-counterfeit-key"
SAFE = frozenset({"GET", "HEAD"})
LARGEST = 16 * 2**20  # bytes of a request's body
PATIENCE = 20.0  # seconds in which a body must have come
GUESSES, WITHIN = 20, 60.0  # wrong tokens that are answered in so many seconds
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Keys:
    """What one start of the studio knows and nobody else: the token of its address, of its cookie and of its pages."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class Gate:
    """Lets requests through that are known to be the person's own, and puts headers on all answers.

    Arguments:
        app: what answers.
        keys: of this start; None where everybody may read and write, as in a study that is shared.
        hosts: names by which this machine may be called, with the port.
        largest: bytes of a request's body.
    """

    def __init__(self, app: ASGIApp, keys: Keys | None, hosts: Iterable[str], largest: int = LARGEST) -> None:
        self.app, self.keys, self.hosts, self.largest = app, keys, frozenset(hosts), largest
        self.origins = frozenset(f"http://{host}" for host in self.hosts)
        self.cookie = f"counterfeit-{min(self.hosts).rpartition(':')[2]}"  # cookies do not know ports
        self.wrong: deque[float] = deque(maxlen=GUESSES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        sent = self._guarded(send)
        request = Request(scope)
        if refused := self._refusal(request):
            await refused(scope, receive, sent)
            return
        if request.method not in SAFE:
            body = await read_body(receive, request.headers.get("content-length"), self.largest)
            if isinstance(body, Response):
                await body(scope, receive, sent)
                return
            receive = _replayed(body, receive)
        await self.app(scope, receive, sent)

    def _refusal(self, request: Request) -> Response | None:
        """The answer to a request that goes no further."""
        if request.headers.get("host", "") not in self.hosts:
            return _plain(421, "This address is not the studio's. Open the one that it printed.")
        if self.keys and (refused := self._unknown(request, self.keys)):
            return refused
        if request.method in SAFE:
            return None
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
        if origin not in self.origins or site != "same-origin":
            return _plain(403, "The request came from another page. Use the studio's own pages.")
        if self.keys and not _same(request.headers.get(CSRF, ""), self.keys.csrf):
            return _plain(403, "The page is of an earlier start of the studio. Reload it.")
        return None

    def _unknown(self, request: Request, keys: Keys) -> Response | None:
        """A redirection that gives the cookie to who has the token; a refusal where neither is there."""
        if _same(request.cookies.get(self.cookie, ""), keys.session):
            return None
        token = request.query_params.get("token")
        if token and request.method == "GET":
            now = time.monotonic()
            if len(self.wrong) == GUESSES and now - self.wrong[0] < WITHIN:
                return _plain(429, "Too many wrong tokens came. Wait a minute.")
            if _same(token, keys.token):
                rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
                target = request.url.path + (f"?{urlencode(rest)}" if rest else "")
                answer = RedirectResponse(_local(target), 303)
                answer.set_cookie(self.cookie, keys.session, httponly=True, samesite="strict", path="/")
                return answer
            self.wrong.append(now)
        return _plain(401, "A token is missing or wrong. Open the address that `counterfeit studio` printed.")

    def _guarded(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name not in headers:
                        headers[name] = value
            await send(message)

        return guarded


async def read_body(receive: Receive, told: str | None, largest: int) -> bytes | Response:
    """A request's body, or the answer where it is too large, too slow or cut off.

    Arguments:
        receive: gives the body's parts.
        told: the length that the request names, if any.
        largest: bytes.
    """
    if told is not None and (not told.isdecimal() or int(told) > largest):
        return _plain(413, f"More than {largest // 2**20} MB came. Send less.")
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return _plain(400, "The request was cut off. Send it again.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > largest:
                    return _plain(413, f"More than {largest // 2**20} MB came. Send less.")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        return _plain(408, f"The request took more than {PATIENCE:.0f} seconds. Send it again.")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, and then whatever comes, such as that the reader has gone."""
    left = [body]

    async def replayed() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return replayed


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _local(target: str) -> str:
    """A path of this server, never of another one: `//host/…` would be."""
    return "/" + target.lstrip("/\\")


def _plain(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status)
