"""`isthmus reconstruct`, `denoise`, `encode`, `decode`, `impute`: using a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.options import USING
from isthmus.cli.shard_options import Sharding, with_sharding, wrote_shards
from isthmus.runs.finding import find, is_photo
from isthmus.wording import counted

RunName = Annotated[str, typer.Argument(help="A run folder, or latest.")]
Input = Annotated[
    str,
    typer.Argument(help="A name, folder, image, table or array, rows of one (mnist-2k:0-9), or a folder of shards."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="The output: a folder, an image, .csv, .parquet or .npy.")]


def reconstruct(io: Io, settings: dict[str, Any], run: RunName, input: Input, *, out: Out, sharding: Sharding) -> None:
    """Reconstruct every sample of INPUT: encode it, then decode its code.

    \b
    Examples:
      isthmus reconstruct latest photo.png -o photo-again.png
      isthmus reconstruct latest table.csv -o again.csv
      isthmus reconstruct latest mnist-2k:label=7 -o sevens/
    """
    from isthmus.tools.inference import apply

    if not wrote_shards(io, "reconstruct", run, input, out, sharding, nested(settings)):
        _tell(io, apply.reconstruct(_find(run), input, out, nested(settings)))


def denoise(
    io: Io,
    settings: dict[str, Any],
    run: RunName,
    input: Input,
    *,
    out: Out,
    strength: Annotated[
        float | None, typer.Option("--strength", help="For photographs: 1 removes all noise, 0 none.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="Draw before, after and what was removed: a .png or a folder.")
    ] = None,
    sharding: Sharding,
) -> None:
    """Denoise samples with a run that was trained with --noise, or photographs with `photo`.

    `photo` is the denoiser that comes with isthmus; it leaves pictures with hardly any noise as they are. `photo` and
    runs of --recipe photo take photographs of any size, and return each in its own format, with its metadata.

    \b
    Examples:
      isthmus denoise photo holiday.jpg -o holiday-clean.jpg --compare before-after.png
      isthmus denoise latest noisy/ -o clean/
      isthmus denoise runs/mnist-modern-gaussian-1 scan.png -o scan-clean.png
      isthmus denoise runs/photos-photo-1 holiday.jpg -o holiday-clean.jpg --strength 0.8
    """
    from isthmus.tools.inference import apply

    if wrote_shards(io, "denoise", run, input, out, sharding, nested(settings), strength=strength, compare=compare):
        return
    wish: dict[str, Any] = {"strength": strength, "compared": compare}
    with io.display.counting("denoising") as progress:
        if is_photo(run):
            written = apply.denoise_with_photo(input, out, nested(settings), **wish, progress=progress)
        else:
            written = apply.denoise(_find(run), input, out, nested(settings), **wish, progress=progress)
    _tell(io, written)


def encode(io: Io, settings: dict[str, Any], run: RunName, input: Input, *, out: Out, sharding: Sharding) -> None:
    """Write the code of every sample (z0, z1, …), with its id and label.

    A folder of tables or arrays, or a pattern in quotes, is a set of shards: each file becomes an output file of the
    same name. If run again, the command only processes files that are missing or have changed.

    \b
    Examples:
      isthmus encode latest mnist-2k -o codes.csv
      isthmus encode latest photos/ -o codes.npy
      isthmus encode latest 'parts/*.npy' -o codes/ --format parquet --workers 2
    """
    from isthmus.tools.inference import apply

    if not wrote_shards(io, "encode", run, input, out, sharding, nested(settings)):
        _tell(io, apply.encode(_find(run), input, out, nested(settings)))


def decode(
    io: Io, run: RunName, codes: Annotated[Path, typer.Argument(help="Codes that `isthmus encode` wrote.")], *, out: Out
) -> None:
    """Decode codes into images or rows.

    \b
    Examples:
      isthmus decode latest codes.csv -o pictures/
    """
    from isthmus.tools.inference import apply

    _tell(io, apply.decode(_find(run), codes, out))


def impute(
    io: Io, settings: dict[str, Any], run: RunName,
    table: Annotated[str, typer.Argument(help="A table (.csv, .tsv, .parquet), or a folder of shards.")],
    *, out: Annotated[Path, typer.Option("-o", "--out", help="The filled table, or a folder for shards.")],
    sharding: Sharding,
) -> None:  # fmt: skip
    """Fill the missing values of TABLE from its other columns, and report how certain the values are.

    A folder of tables, or a pattern in quotes, is a set of shards: each file becomes a filled file of the same name.

    \b
    Examples:
      isthmus impute latest orders.csv -o full.csv
      isthmus impute latest days/ -o full/ --workers 2
    """
    from isthmus.tools.inference.imputation import impute as fill

    if wrote_shards(io, "impute", run, table, out, sharding, nested(settings)):
        return
    found = fill(_find(run), table, out, nested(settings))
    for sentence in found.said:
        io.say(f"note: {sentence}")
    filled = f"{counted(found.n_filled, 'missing value')} in {counted(found.n, 'row')} filled"
    io.result(found.as_dict(), f"{filled}; written to {found.path}")


def _find(run: str) -> Any:
    return find(run)


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """`{"data.gray": True}` -> `{"gray": True}`: options for reading data, without their section."""
    return {address.partition(".")[2]: tuple(v) if isinstance(v, list) else v for address, v in settings.items()}


def _tell(io: Io, written: Any) -> None:
    for sentence in written.said:
        io.say(f"note: {sentence}")
    io.result(written.as_dict(), f"{counted(written.n, 'sample')} written to {written.path}")


def register(app: typer.Typer) -> None:
    for function in (reconstruct, denoise, encode, impute):
        command(app, with_sharding(function), settings=USING)
    command(app, decode)
