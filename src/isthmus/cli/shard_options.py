"""Options of the commands that take many files at once, and what they do then."""

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
    typer.Option("--format", metavar="npy|csv|parquet", help="Of shards: what is written. [as what is read]"),
]
AsShards = Annotated[bool, typer.Option("--shards", help="Take each folder in INPUT, a set of images, for a shard.")]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", min=1, max=1024, help="Of shards: processes, one thread each. [all cores]")
]
Dask = Annotated[str | None, typer.Option("--dask", metavar="ADDRESS", help="Of shards: a Dask scheduler to use.")]


class Sharding(NamedTuple):
    """What was asked of these options."""

    form: str | None
    folders: bool
    workers: int | None
    dask: str | None


OPTIONS = {"form": (Form, None), "shards": (AsShards, False), "workers": (WorkerCount, None), "dask": (Dask, None)}


def with_sharding(function: Callable[..., None]) -> Callable[..., None]:
    """`function(…, sharding)` with an option for each field of `Sharding`, which holds what was given."""
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
    """Whether `source` was a folder or pattern of shards, and all was done.

    Raises: UsageError for options of shards where there are none.
    """
    from isthmus.tools.shards.shard_listing import shards_of

    shards = shards_of(source, task, folders=sharding.folders, form=sharding.form)
    if not shards:
        _refuse_without_shards(sharding)
        return False
    unusable = [f"--{name}" for name in ("picture", "compare") if options.get(name) is not None]
    if unusable:
        message = f"{unusable[0]} is of one set of samples, and {counted(len(shards), 'shard')} are written here."
        raise UsageError("USAGE-SHARDS", message, fix=f"leave {unusable[0]} out, or name one shard")
    if sharding.workers is not None and sharding.dask is not None:
        raise UsageError("USAGE-SHARDS", "--workers and --dask are two places to work.", fix="leave one of them out")
    from isthmus.tools.shards import shard_folder

    count = min(sharding.workers or usable_cores(), len(shards))
    workers = shard_folder.workers_at(sharding.dask, count)
    used = {name: value for name, value in options.items() if value is not None}
    with io.display.counting(f"{task}, shards") as progress:
        written = shard_folder.process_shards(
            task, run if is_photo(run) else find(run), source, shards, out, workers,
            settings=settings, options=used, progress=progress,
        )  # fmt: skip
    for sentence in written.said:
        io.say(f"note: {sentence}")
    left = f"; {counted(written.left, 'shard')} there already" if written.left else ""
    outliers = "" if written.outliers is None else f", {counted(written.outliers, 'outlier')}"
    of = f"{counted(written.n, 'sample')} of {counted(written.shards, 'shard')}"
    io.result(written.as_dict(), f"{of}{outliers} written to {written.path}{left}")
    return True


def _refuse_without_shards(sharding: Sharding) -> None:
    asked = {"--format": sharding.form, "--workers": sharding.workers, "--dask": sharding.dask}
    given = [flag for flag, value in asked.items() if value is not None]
    if given:
        message = f"{', '.join(given)} is for a folder of tables or arrays, or a pattern of them, and INPUT is neither."
        fix = f"leave {' and '.join(given)} out; for folders of images pass --shards"
        raise UsageError("USAGE-SHARDS", message, fix=fix)
