"""`isthmus report`: the report pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.output import open_page

Runs = Annotated[list[str], typer.Argument(metavar="RUN…", help="Run folders, or latest; several are compared.")]
File = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The page. [report.html in the run; comparison.html next to the first run]"),
]
Open = Annotated[bool, typer.Option("--open", help="Also open the page in the browser.")]


def report(io: Io, run: Runs, *, out: File = None, open_it: Open = False) -> None:
    """Write the report of a run, one page that opens offline; for several runs, write a comparison.

    Training writes the report too; this command writes it again.

    \b
    Examples:
      isthmus report latest
      isthmus report runs/mnist-modern-1 runs/mnist-seed-1 -o comparison.html
    """
    from isthmus.pipeline.reporting import report as write

    written = write(*run, out=out)
    for sentence in written.missing:
        io.say(f"note: left out: {sentence}")
    io.result(written.as_dict(), _sentence(written))
    if open_it:
        open_page(written.path.resolve().as_uri())


def _sentence(written: Any) -> str:
    size = f"{written.n_bytes / 1e6:.1f} MB" if written.n_bytes >= 1e5 else f"{written.n_bytes / 1e3:.0f} kB"
    return f"report written to {written.path} ({size}); open it in a browser"


def register(app: typer.Typer) -> None:
    command(app, report)
