"""`Limits`: how much one request may bring and how long it may take; more is answered with 413, 408 or 503."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWERS = {  # status -> code and fix
    408: ("LIMIT-TIME", "send less at once"),
    413: ("LIMIT-SIZE", "send less at once"),
    503: ("LIMIT-REQUESTS", "try again in a moment, or close pages that you do not use"),
}
DRAINED, DRAIN_SECONDS = 8, 3.0  # limits' worth of bytes, and time, that a refused request may still send


@dataclass(frozen=True)
class Limits:
    """What one request may bring, and how many are answered at once."""

    n_bytes: int = 32 * 2**20  # a photograph of a telephone has 10 MB at most
    files: int = 256  # as many as the page or a script sends at once without waiting long
    samples: int = 4_096  # of a model of the usual size they take a second
    pixels: int = 40_000_000  # of one image: two times what telephones make; 120 MB in memory
    pixels_together: int = 160_000_000  # of all images of a request: half a gigabyte in memory
    values_made: int = 160_000_000  # of all samples that are made of codes: 640 MB as floats
    seconds: float = 30.0  # until all of it has arrived: 32 MB at 10 Mbit a second
    at_once: int = 256  # requests: each open page takes one for its stream, and a script few


class TooMuch(Exception):
    """A request beyond a limit: the status (413, 408 or 503) and a sentence that names it."""

    def __init__(self, message: str, status: int = 413) -> None:
        super().__init__(message)
        self.message, self.status = message, status

    def answer(self) -> JSONResponse:
        code, fix = ANSWERS[self.status]
        error = {"code": code, "message": self.message, "fix": fix}
        return JSONResponse({"error": error}, self.status, {"Connection": "close"})


def refuse_many(n: int, limits: Limits, size: int) -> None:
    """Raises: TooMuch for n samples of `size` values, made of codes, which are more than memory is for."""
    if n * size > limits.values_made:
        most = max(1, limits.values_made // size)
        raise TooMuch(f"{n:,} samples of {size:,} values are asked for; at most {most:,} are made at once.")


class Metered:
    """The ASGI layer that counts the bytes of a request as they come, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._asking = 0  # requests that have passed the guard and are not answered yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._asking >= self.limits.at_once:
            too_many = f"{self._asking:,} requests are being answered already, the limit."
            await TooMuch(too_many, 503).answer()(scope, receive, send)
            return
        self._asking += 1
        try:
            await self._measured(scope, receive, send)
        finally:
            self._asking -= 1

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > self.limits.n_bytes:  # Python reads 4,300 at most
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
        """Reads on without keeping anything: who is still sending when the line is cut never sees the answer."""
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
            if ended:  # afterwards only the end of the connection is waited for, which may take its time
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
        return TooMuch(f"the request is larger than {self.limits.n_bytes:,} bytes, the limit.")


__all__ = ["Limits", "Metered", "TooMuch", "refuse_many"]
