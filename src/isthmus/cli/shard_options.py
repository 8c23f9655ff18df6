"""Options of the commands that process many files at once, and the processing itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from isthmus.cli.command_frame import Io
from isthmus.errors import UsageError
from isthmus.runs.finding import find, is_photo
from isthmus.system.workers import usable_cores
from isthmus.wording import counted

Form = Annotated[
    str | None,
    typer.Option("--format", metavar="npy|csv|parquet", help="For shards: the output format. [that of the input]"),
]
AsShards = Annotated[bool, typer.Option("--shards", help="Treat each folder of images in INPUT as a shard.")]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=1024, help="For shards: processes, with one thread each. [all cores]"),
]
Dask = Annotated[str | None, typer.Option("--dask", metavar="ADDRESS", help="For shards: the Dask scheduler to use.")]


class Sharding(NamedTuple):
    """The values of these options."""

    form: str | None
    folders: bool
    workers: int | None
    dask: str | None


OPTIONS = {"form": (Form, None), "shards": (AsShards, False), "workers": (WorkerCount, None), "dask": (Dask, None)}


def with_sharding(function: Callable[..., None]) -> Callable[..., None]:
    """`function(…, sharding)` with an option for each field of `Sharding`."""
    signature = inspect.signature(function, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "sharding"]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]

    def run(*args: Any, **values: Any) -> None:
        sharding = Sharding(*(values.pop(name) for name in OPTIONS))
        function(*args, **values, sharding=sharding)

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    return run


def wrote_shards(
    io: Io, task: str, run: str, source: str, out: Path, sharding: Sharding, settings: Mapping[str, Any], **options: Any
) -> bool:
    """Processes `source` if it is a folder or pattern of shards, and returns whether it is.

    Raises: UsageError for options for shards if there are none.
    """
    from isthmus.tools.shards.shard_listing import shards_of

    shards = shards_of(source, task, folders=sharding.folders, form=sharding.form)
    if not shards:
        _refuse_without_shards(task, sharding)
        return False
    unusable = [f"--{name}" for name in ("picture", "compare") if options.get(name) is not None]
    if unusable:
        message = f"{unusable[0]} needs a single set of samples, but INPUT has {counted(len(shards), 'shard')}."
        raise UsageError("USAGE-SHARDS", message, fix=f"leave out {unusable[0]}, or name one shard")
    if sharding.workers is not None and sharding.dask is not None:
        raise UsageError("USAGE-SHARDS", "--workers and --dask cannot be used together.", fix="leave out one of them")
    from isthmus.tools.shards import shard_folder

    count = min(sharding.workers or usable_cores(), len(shards))
    workers = shard_folder.workers_at(sharding.dask, count)
    used = {name: value for name, value in options.items() if value is not None}
    with io.display.counting(f"{task}, shards") as progress:
        written = shard_folder.process_shards(
            task, run if task == "denoise" and is_photo(run) else find(run), source, shards, out, workers,
            settings=settings, options=used, progress=progress,
        )  # fmt: skip
    for sentence in written.said:
        io.say(f"note: {sentence}")
    left = f"; {counted(written.left, 'shard')} already done" if written.left else ""
    outliers = "" if written.outliers is None else f", {counted(written.outliers, 'outlier')}"
    of = f"{counted(written.n, 'sample')} of {counted(written.shards, 'shard')}"
    filled = "" if written.fills is None else f", {counted(written.fills.n_filled, 'missing value')} filled,"
    io.result(written.as_dict(), f"{of}{outliers}{filled} written to {written.path}{left}")
    return True


def _refuse_without_shards(task: str, sharding: Sharding) -> None:
    asked = {"--format": sharding.form, "--workers": sharding.workers, "--dask": sharding.dask}
    given = [flag for flag, value in asked.items() if value is not None]
    if given:
        message = f"{' and '.join(given)}: only for a folder or pattern of tables or arrays, and INPUT is neither."
        of_images = ", or pass --shards for folders of images" * (task != "impute")
        fix = f"leave out {' and '.join(given)}{of_images}"
        raise UsageError("USAGE-SHARDS", message, fix=fix)
