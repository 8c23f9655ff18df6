"""`Limits`: how large a request may be and how long it may take; beyond that the answer is 413, 408 or 503."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWERS = {  # status -> code and fix
    408: ("LIMIT-TIME", "send a smaller request"),
    413: ("LIMIT-SIZE", "send a smaller request"),
    503: ("LIMIT-REQUESTS", "try again in a moment, or close pages that you do not use"),
}
DRAINED, DRAIN_SECONDS = 8, 3.0  # what is still read of a refused request: multiples of the byte limit, and seconds


@dataclass(frozen=True)
class Limits:
    """The size of one request, and the number of requests at once."""

    n_bytes: int = 32 * 2**20  # photographs of phones have at most 10 MB
    files: int = 256  # enough for the page and for scripts
    samples: int = 4_096  # a model of the usual size processes them in a second
    pixels: int = 40_000_000  # of one image: twice as many as phones have; 120 MB in memory
    pixels_together: int = 160_000_000  # of all images of a request: half a gigabyte in memory
    values_made: int = 160_000_000  # of all samples decoded from codes: 640 MB as floats
    seconds: float = 30.0  # for the whole request to arrive: 32 MB at 10 Mbit/s
    at_once: int = 256  # requests: an open page needs one for its stream, a script a few


class TooMuch(Exception):
    """A request beyond a limit: the status (413, 408 or 503) and a sentence that names the limit."""

    def __init__(self, message: str, status: int = 413) -> None:
        super().__init__(message)
        self.message, self.status = message, status

    def answer(self) -> JSONResponse:
        code, fix = ANSWERS[self.status]
        error = {"code": code, "message": self.message, "fix": fix}
        return JSONResponse({"error": error}, self.status, {"Connection": "close"})


def refuse_many(n: int, limits: Limits, size: int) -> None:
    """Raises: TooMuch if n samples of `size` values, decoded from codes, need too much memory."""
    if n * size > limits.values_made:
        most = max(1, limits.values_made // size)
        raise TooMuch(f"the request asks for {n:,} samples of {size:,} values; the limit is {most:,} samples at once.")


class Metered:
    """The ASGI layer that counts the bytes of a request as they arrive, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._asking = 0  # requests past the guard that are not answered yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._asking >= self.limits.at_once:
            too_many = f"{self._asking:,} requests are already being answered, which is the limit."
            await TooMuch(too_many, 503).answer()(scope, receive, send)
            return
        self._asking += 1
        try:
            await self._measured(scope, receive, send)
        finally:
            self._asking -= 1

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        # Python parses at most 4,300 digits.
        if not length.isdigit() or len(length) > 18 or int(length) > self.limits.n_bytes:
            await self._drained(receive)
            await self._too_large().answer()(scope, receive, send)
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, self._metered(receive), sent)
        except TooMuch as error:
            if started:
                raise
            await error.answer()(scope, receive, send)

    async def _drained(self, receive: Receive) -> None:
        """Reads and discards the rest: a client that is cut off while sending never sees the answer."""
        count, more = 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while more and count < DRAINED * self.limits.n_bytes:
                    message = await receive()
                    count, more = count + len(message.get("body", b"")), message.get("more_body", False)

    def _metered(self, receive: Receive) -> Receive:
        count, until, ended = 0, time.monotonic() + self.limits.seconds, False

        async def metered() -> Message:
            nonlocal count, ended
            if ended:  # afterwards it only waits for the connection to end, which may take long
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.001, until - time.monotonic()))
            except TimeoutError:
                raise TooMuch(f"the request did not arrive within {self.limits.seconds:g} s.", 408) from None
            count += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if count > self.limits.n_bytes:
                if not ended:
                    await self._drained(receive)
                raise self._too_large()
            return message

        return metered

    def _too_large(self) -> TooMuch:
        return TooMuch(f"the request is larger than the limit of {self.limits.n_bytes:,} bytes.")


__all__ = ["Limits", "Metered", "TooMuch", "refuse_many"]
