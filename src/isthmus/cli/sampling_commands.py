"""`isthmus sample`, `interpolate`, `traverse`: new samples, paths between two, and what each unit of the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName, nested
from isthmus.cli.options import USING
from isthmus.runs.finding import find
from isthmus.wording import counted

Where = Annotated[Path, typer.Option("-o", "--out", help="A folder, or one file: .png, .npy, .csv, .parquet.")]
Moving = Annotated[Path, typer.Option("-o", "--out", help="A folder, or one file: .png, .webp, .npy, .csv, .parquet.")]
One = "An image or a row of data, such as mnist-2k:row=12; mnist-2k:label=3 picks one of that class."


def sample(
    io: Io, run: RunName, *, out: Where,
    n: Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="Number of samples.")] = 64,
    density: Annotated[
        str, typer.Option("--density", help="Distribution of the codes: prior, gaussian, mixture; auto: the best one.")
    ] = "auto",
    of: Annotated[str | None, typer.Option("--class", help="Only samples of this class.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same samples.")] = 0,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help="Below 1: more typical, less varied samples.")
    ] = 1.0,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="Judge the samples by the run's data.")] = True,
) -> None:  # fmt: skip
    """Generate new samples like the training data.

    \b
    Examples:
      isthmus sample latest -n 64 -o samples/
      isthmus sample latest --class 7 -o sevens.png
      isthmus sample latest -n 1000 --density gaussian -o rows.csv
    """
    from isthmus.tools.sampling import synthesis

    made = synthesis.sample(find(run), n, out, density=density, of=of, seed=seed, temperature=temperature, judge=judge)
    _tell(io, made, "new sample")


def interpolate(
    io: Io, settings: dict[str, Any], run: RunName, a: Annotated[str, typer.Argument(help=One)],
    b: Annotated[str, typer.Argument(help=One)],
    *, out: Moving,
    steps: Annotated[int, typer.Option("--steps", min=2, max=1_000, help="Number of samples, ends included.")] = 12,
    path: Annotated[str | None, typer.Option("--path", help="straight or spherical. [both]")] = None,
) -> None:  # fmt: skip
    """Interpolate between the codes of two samples.

    \b
    Examples:
      isthmus interpolate latest mnist-2k:label=3 mnist-2k:label=8 -o way/
      isthmus interpolate latest mnist-2k:row=3 mnist-2k:row=8 -o way/
      isthmus interpolate latest a.png b.png --path spherical -o way.webp
    """
    from isthmus.tools.sampling import interpolation_files

    made = interpolation_files.interpolate(find(run), a, b, out, steps=steps, path=path, settings=nested(settings))
    _tell(io, made, "sample")


def traverse(
    io: Io, settings: dict[str, Any], run: RunName, *, out: Where,
    unit: Annotated[list[int] | None, typer.Option("--unit", help="A unit, from 0; may be repeated. [all]")] = None,
    around: Annotated[str | None, typer.Option("--around", help=f"The sample whose code is changed. {One}")] = None,
) -> None:  # fmt: skip
    """Show what each unit of the code does, the strongest units first.

    \b
    Examples:
      isthmus traverse latest -o units.png
      isthmus traverse latest --unit 3 --unit 11 --around mnist-2k:row=12 -o units/
    """
    from isthmus.tools.sampling import synthesis

    made = synthesis.traverse(find(run), out, units=unit or (), around=around, settings=nested(settings))
    _tell(io, made, "unit")


def _tell(io: Io, made: Any, what: str) -> None:
    for sentence in made.said:
        io.say(sentence)
    files = f": {made.listing}" if made.listing else ""
    done = f"{counted(made.n, what)} compared;" if what == "unit" else counted(made.n, what)  # a sheet shows only some
    io.result(made.as_dict(), f"{done} written to {made.out}{files}")


def register(app: typer.Typer) -> None:
    command(app, sample)
    for function in (interpolate, traverse):
        command(app, function, settings=USING)
