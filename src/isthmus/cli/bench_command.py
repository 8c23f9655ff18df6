"""`isthmus bench`: how fast this machine trains, compared with other packages."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command


def bench(
    io: Io, *,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="How often each package is timed.")] = 3,
    images: Annotated[int, typer.Option("--images", min=640, max=10_000_000, help="Images per round.")] = 6_400,
) -> None:  # fmt: skip
    """Train the same network with isthmus and each installed rival package in turn, and compare their speed.

    The floor is the time of the matrix products alone, so no training loop can be faster. Compare only numbers of one
    call, because the speed of a machine changes.

    \b
    Examples:
      isthmus bench
      isthmus bench --rounds 7 --json
    """
    from isthmus.tools.bench.contest import bench as contest

    found = contest(rounds=rounds, images=images, progress=lambda name: io.say(f"{name} …"))
    io.result(found.as_dict(), ["", *_table(found)])


def _table(found: Any) -> list[str]:
    """One line per package, the fastest first."""
    ran = sorted((name for name, s in found.speeds.items() if not s.failed), key=lambda name: -found.ratio(name))
    width = max(map(len, found.speeds))
    lines = [f"{'':<{width}}  {'images/s':>9}  {'times isthmus':>13}"]
    lines += [f"{name:<{width}}  {found.speeds[name].median:>9,.0f}  {found.ratio(name):>13.2f}" for name in ran]
    lines += [f"{name:<{width}}  not measured: {s.failed}" for name, s in found.speeds.items() if s.failed]
    about = f"784-512-256-32-256-512-784, batches of 64, {found.precision}, threads: {found.threads}"
    return [*lines, "", about]


def register(app: typer.Typer) -> None:
    command(app, bench)
