"""`isthmus compare` and `isthmus sweep`: several runs on the same data, in one table and one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus import settings as configs
from isthmus.cli.command_frame import Io, command
from isthmus.cli.options import READING, TRAINING
from isthmus.cli.text_tables import aligned
from isthmus.wording import number

Sets = Annotated[list[str] | None, typer.Option("--set", help="Any other setting, as in --set training.warmup=0.1.")]
Folder = Annotated[
    Path | None, typer.Option("--out", help="The folder of the runs; an existing one is continued. [runs/…-NUMBER]")
]
SEEDLESS = tuple(name for name in TRAINING if name != "training.seed")


def compare(
    io: Io, settings: dict[str, Any],
    names: Annotated[
        list[str], typer.Argument(metavar="RECIPE… [DATA]", help="Recipes or run folders, then the data. [mnist-2k]")
    ],
    *, out: Folder = None, sets: Sets = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds to train each recipe with, as in 0,1,2.")] = "0",
) -> None:  # fmt: skip
    """Train recipes on the same data, and compare them.

    \b
    Examples:
      isthmus compare modern vae sparse mnist-2k
      isthmus compare modern vae mnist --epochs 3 --z-size 16 --seeds 0,1,2
      isthmus compare runs/a runs/b
    """
    from isthmus.pipeline import compare as contest

    given = configs.merge(configs.nest(settings), configs.parse_sets(sets or []))
    members, data = contest.parted(names)
    found = contest.compare(members, data, out=out, seeds=contest.seeds_of(seeds), settings=given, show=io.display)
    drawn = ", .png" * (found.folder / "comparison.png").is_file()
    written = f"written to {found.folder}: comparison.json, .md, .csv{drawn}"
    io.result(found.as_dict(), ["", *aligned(found.cells()), *found.failures(), "", written])


def sweep(
    io: Io, settings: dict[str, Any],
    grid: Annotated[
        list[str], typer.Argument(metavar="[DATA] NAME=VALUES…", help="The data [mnist-2k], then the values to try.")
    ],
    *, recipe: Annotated[str, typer.Option("--recipe", help="The recipe of every run.")] = "modern",
    out: Folder = None, sets: Sets = None,
) -> None:  # fmt: skip
    """Train a run for each value of a setting, and report which value is large enough.

    \b
    Examples:
      isthmus sweep mnist-2k z_size=2,4,8,16,32,64
      isthmus sweep mnist lr=1e-3,3e-3,1e-2 activation=silu,relu --epochs 3
    """
    from isthmus.pipeline import sweep as scan

    data, grid = ("mnist-2k", grid) if "=" in grid[0] else (grid[0], grid[1:])
    given = configs.merge(configs.nest(settings), configs.parse_sets(sets or []))
    found = scan.sweep(grid, data, recipe=recipe, out=out, settings=given, show=io.display)
    rows = [[p.name, number(p.test_mse), number(p.pca_mse) if p.pca_mse else "–"] for p in found.points]
    lines = aligned([["", "test MSE", "PCA"], *rows])
    lines += [f"{name} failed: {why}" for name, why in found.failed.items()]
    lines += ["", found.reason] if found.reason else [""]
    io.result(found.as_dict(), ["", *lines, f"written to {found.folder}: sweep.json, .csv, .png"])


def register(app: typer.Typer) -> None:
    command(app, compare, settings=(*SEEDLESS, *READING))
    command(app, sweep, settings=(*TRAINING, *READING))
