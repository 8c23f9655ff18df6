"""`--watch`: live training by server-sent events, and the buttons that pause and finish it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from isthmus.system.lock import is_held
from isthmus.system.requests import FINISH, PAUSE
from isthmus.web.served_run import ServedRun
from isthmus.web.training_progress import GO_ON, TrainingStatus

router = APIRouter(prefix="/api")
EVERY = 0.5  # seconds between two checks of the folder; each takes three calls of stat
ALIVE = 15.0  # seconds of silence after which a comment keeps the connection alive


@router.get("/progress", summary="The progress of the training.")
def progress(request: Request) -> dict[str, Any]:
    return _progress(request).snapshot()


@router.get("/watch", summary="The progress as a stream of server-sent events, with the sanity check.")
async def watch(request: Request) -> StreamingResponse:
    return StreamingResponse(_events(request), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.post("/pause", summary="Asks the training to save and wait.")
def pause(request: Request) -> dict[str, Any]:
    return {"asked": _progress(request).ask(PAUSE)}


@router.post("/go-on", summary="Continues the training after a pause.")
def go_on(request: Request) -> dict[str, Any]:
    return {"asked": _progress(request).ask(GO_ON)}


@router.post("/finish", summary="Asks the training to end now, and to judge its best weights.")
def finish(request: Request) -> dict[str, Any]:
    return {"asked": _progress(request).ask(FINISH)}


async def _events(request: Request) -> AsyncIterator[str]:
    served, seen, quiet = request.app.state.served, None, 0.0
    found = _progress(request)
    yield "retry: 1000\n\n"  # a browser reconnects after a second, and gets everything again
    while not _closing(request) and not await request.is_disconnected():
        now = await run_in_threadpool(_stamp, served, found)
        if now != seen:
            seen, quiet = now, 0.0
            yield _event("progress", await run_in_threadpool(found.snapshot))
            sanity = await run_in_threadpool(found.sanity)
            if sanity is not None:
                yield _event("sanity", sanity)
        elif quiet >= ALIVE:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(EVERY)
        quiet += EVERY


def _stamp(served: ServedRun, found: TrainingStatus) -> tuple[Any, ...]:
    return (*served.stamp(), is_held(served.path), found.asked)


def _event(name: str, value: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"


def _progress(request: Request) -> TrainingStatus:
    state = request.app.state
    if not hasattr(state, "progress"):
        state.progress = TrainingStatus(state.served.path)
    return state.progress


def _closing(request: Request) -> bool:
    server = getattr(request.app.state, "server", None)
    return server is not None and server.should_exit


__all__ = ["router"]
