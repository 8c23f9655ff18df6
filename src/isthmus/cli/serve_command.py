"""`isthmus serve`: a local page and an API for a run."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName
from isthmus.cli.output import open_page
from isthmus.errors import ResourceError, UsageError
from isthmus.extras import installing
from isthmus.runs.finding import find, is_photo
from isthmus.wording import printable

Port = Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="The port. [8642, or the next free one]")]
Host = Annotated[
    str, typer.Option("--host", help="The address to listen on; by default, only this machine can connect.")
]
Network = Annotated[bool, typer.Option("--allow-network", help="Let --host open the server to the network.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show the training live, even before there is a model.")]
Open = Annotated[bool, typer.Option("--open", help="Also open the page in the browser.")]
Until = Annotated[bool, typer.Option("--until-closed", hidden=True, help="End when standard input ends.")]


def serve(
    io: Io, run: RunName, *, port: Port = None, host: Host = "127.0.0.1", allow_network: Network = False,
    watch: Watch = False, open_it: Open = False, until_closed: Until = False,
) -> None:  # fmt: skip
    """Serve a local page to try a run (draw, change the code, denoise, interpolate, sample) and an API for programs.

    `isthmus serve photo` is for photographs: it shows before and after with a divider, sets the strength, and saves the
    file. Runs of --recipe photo do the same.

    The command prints an address with a token; only people who have this address can use the model. Ctrl-C stops the
    server.

    \b
    Examples:
      isthmus serve latest
      isthmus serve runs/mnist-modern-1 --port 9000
      isthmus serve latest --watch
      isthmus serve photo
    """
    shipped = is_photo(run)
    if shipped and watch:
        message = "photo is already trained, so there is no training to watch."
        raise UsageError("USAGE-PHOTO", message, fix="leave out --watch")
    found = _photo() if shipped else find(run)
    try:
        from isthmus.web.server import serve as start
    except ImportError as error:
        message = f"packages for the web page are not installed ({error})."
        raise ResourceError("RESOURCE-WEB", message, fix=installing("web")) from None

    def on_start(serving: Any) -> None:
        for sentence in serving.said:
            print(printable(sentence), file=sys.stderr)
        io.result(serving.as_dict(), serving.address)
        if not until_closed:
            print("open this address in a browser; press Ctrl-C here to stop the server", file=sys.stderr)
        sys.stdout.flush()  # a program that started the server waits for this line
        if open_it:
            open_page(serving.address)

    stream = sys.stdin.buffer if until_closed else None
    start(found, port=port, host=host, allow_network=allow_network, watch=watch, on_start=on_start, until_closed=stream)


def _photo() -> Any:
    from isthmus.models.photo import PhotoDenoiser

    return PhotoDenoiser()


def register(app: typer.Typer) -> None:
    command(app, serve)
