"""`serve`: runs the application on a port, with a token, until it is stopped."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import uvicorn

from isthmus.errors import UsageError
from isthmus.models.photo import PhotoDenoiser
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.web.app import build_app
from isthmus.web.connections import connections
from isthmus.web.guard import Access
from isthmus.web.limits import Limits
from isthmus.web.ports import listening
from isthmus.web.served_photo import ServedPhoto
from isthmus.web.served_run import ServedRun

THREADS = 1  # for the model: one image through a small network is fastest on one core, and the others stay free
TOKEN = "ISTHMUS_TOKEN"  # sets the token, so that an open page still works after the server was restarted
LAST_WORD = 1.5  # seconds for an open page to learn how the training ended; it checks twice a second
SHORTEST = 16  # characters of a token; a shorter one could be guessed


@dataclass(frozen=True)
class Serving:
    """The address of the page."""

    address: str
    host: str
    port: int
    token: str
    run: Path
    said: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "host": self.host,
            "port": self.port,
            "token": self.token,
            "run": str(self.run),
        }


def serve(
    run: RunFolder | PhotoDenoiser, *, port: int | None = None, host: str = "127.0.0.1", allow_network: bool = False,
    watch: bool = False, on_start: Callable[[Serving], None], limits: Limits | None = None, until_closed: Any = None,
) -> None:  # fmt: skip
    """Serves the page and the API of a run until Ctrl-C; `on_start` is called when the address can be opened.

    `until_closed`: a stream; the server ends when it closes, that is, with the process at its other end.

    Raises: UsageError, ResourceError; ModelFileError for a run without a trained model, unless it is watched.
    """
    token = _token()
    served = ServedPhoto(run) if isinstance(run, PhotoDenoiser) else ServedRun(run.path)
    tell("opening the run")
    if isinstance(served, ServedRun) and not watch:
        served.loaded()  # errors are reported now, not on the page
    with listening(host, port, allow_network=allow_network) as sock:
        at = sock.getsockname()[1]
        serving = _serving(served.path if isinstance(run, PhotoDenoiser) else run.path, host, at, token, allow_network)
        names = {"127.0.0.1", "localhost", "[::1]"} | (
            {socket.gethostname().lower(), host.lower()} if allow_network else set()
        )
        access = Access(token, at, frozenset(names), open_to_network=allow_network)
        app = build_app(served, access, limits, watch=watch)
        torch.set_num_threads(THREADS)
        # Errors in a request are reported to its sender.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="critical",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
                server_header=False,
                http=connections(),
                h11_max_incomplete_event_size=65_536,
                ws="none",
            )
        )
        app.state.server = server
        if until_closed is not None:
            threading.Thread(target=_end_with, args=(server, until_closed), daemon=True).start()
        on_start(serving)
        try:
            server.run(sockets=[sock])
        except KeyboardInterrupt:  # the usual way to stop it
            return


def _serving(run: Path, host: str, port: int, token: str, allow_network: bool) -> Serving:
    name = "127.0.0.1" if host in {"0.0.0.0", "localhost"} else f"[{host}]" if ":" in host else host
    said = []
    if allow_network:
        said.append(
            f"warning: everybody who can reach port {port} of this machine and has the token can use the model; "
            "nothing is encrypted, so anybody who can read the network traffic can read the token too"
        )
    return Serving(f"http://{name}:{port}/?token={token}", host, port, token, run, tuple(said))


def _token() -> str:
    given = os.environ.get(TOKEN)
    if given is None:
        return secrets.token_urlsafe(24)
    if len(given) < SHORTEST or re.fullmatch(r"[\w-]+", given, re.ASCII) is None:
        message = f"{TOKEN} is too short, or has characters other than letters, digits, - and _."
        raise UsageError("USAGE-TOKEN", message, fix=f"use at least {SHORTEST} characters, or unset it")
    return given


def _end_with(server: uvicorn.Server, stream: Any) -> None:
    while stream.read(1024):
        pass
    time.sleep(LAST_WORD)
    server.should_exit = True


__all__ = ["Serving", "serve"]
