"""`isthmus bench`: how fast this machine trains, beside other packages."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command


def bench(
    io: Io, *,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="Turns of every contender.")] = 3,
    images: Annotated[int, typer.Option("--images", min=640, max=10_000_000, help="Images in a turn.")] = 6_400,
) -> None:  # fmt: skip
    """Train the same network by isthmus and by every rival that is installed, in turns, and compare their speed.

    The floor is the time of the matrix products alone: no loop of such steps can be faster. Only ratios of one call
    mean anything, since the pace of a machine changes.

    \b
    Examples:
      isthmus bench
      isthmus bench --rounds 7 --json
    """
    from isthmus.tools.bench.contest import bench as contest

    found = contest(rounds=rounds, images=images, progress=lambda name: io.say(f"{name} …"))
    io.result(found.as_dict(), ["", *_table(found)])


def _table(found: Any) -> list[str]:
    """A line for each contender, the fastest first."""
    ran = sorted((name for name, s in found.speeds.items() if not s.failed), key=lambda name: -found.ratio(name))
    width = max(map(len, found.speeds))
    lines = [f"{'':<{width}}  {'images/s':>9}  {'times isthmus':>13}"]
    lines += [f"{name:<{width}}  {found.speeds[name].median:>9,.0f}  {found.ratio(name):>13.2f}" for name in ran]
    lines += [f"{name:<{width}}  not measured: {s.failed}" for name, s in found.speeds.items() if s.failed]
    about = f"784-512-256-32-256-512-784, batches of 64, {found.precision}, threads: {found.threads}"
    return [*lines, "", about]


def register(app: typer.Typer) -> None:
    command(app, bench)
