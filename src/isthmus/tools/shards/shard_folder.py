"""Applies a trained run to a folder or pattern of shards; only missing or changed shards are processed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.runs.fill_errors import PART
from isthmus.runs.folder import RunFolder
from isthmus.system.files import MANIFEST
from isthmus.system.outputs import claimed, refuse_inputs
from isthmus.system.swapping import clear_parts
from isthmus.system.workers import Progress, each
from isthmus.tools.anomaly.fold_training import detector_for
from isthmus.tools.inference.imputation import filled_schema
from isthmus.tools.shards.pools import dask_workers, local_workers
from isthmus.tools.shards.shard_fills import ShardFills
from isthmus.tools.shards.shard_listing import Shard
from isthmus.tools.shards.shard_manifest import ShardManifest, stamp_of
from isthmus.tools.shards.shard_run import Workers, run_shards
from isthmus.tools.shards.shard_task import ShardResult, ShardTask, checksum, weights_of
from isthmus.wording import counted, printable

SAVED_EVERY = 2.0  # seconds between two manifests: after a kill, shards that are not in it are processed again


@dataclass(frozen=True)
class ShardsWritten:
    """`n` samples in `shards` files below `path`, of which `left` were already there, and notes for people."""

    path: Path
    n: int
    shards: int
    left: int
    outliers: int | None
    said: tuple[str, ...]
    fills: ShardFills | None = None

    def as_dict(self) -> dict[str, Any]:
        about: dict[str, Any] = {"out": str(self.path), "n": self.n, "shards": self.shards, "left": self.left}
        about |= {} if self.outliers is None else {"outliers": self.outliers}
        about |= {} if self.fills is None else self.fills.as_dict()
        return about | {"manifest": str(self.path / MANIFEST), "said": list(self.said)}


def workers_at(dask: str | None, count: int) -> Workers:
    """The workers of the Dask scheduler at an address, or `count` local processes. Raises: like `dask_workers`."""
    return local_workers(count) if dask is None else dask_workers(dask)


def process_shards(
    task: str,
    run: str | RunFolder,
    source: str,
    shards: Sequence[Shard],
    out: Path,
    workers: Workers,
    *,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    progress: Progress | None = None,
) -> ShardsWritten:
    """Writes one file below `out` for each shard, and `MANIFEST.json` next to them.

    `run` is a run folder, or `"photo"`. Shards are skipped if their source and result match the manifest.
    `progress(done, total)` counts shards.

    Raises: UsageError if `out` cannot be used, or if the run cannot do the task; DataError, or ResourceError for a lack
    of memory or disk space or a worker that died, after all other shards have been written.
    """
    _refuse(out, source, shards)
    if task == "impute" and isinstance(run, RunFolder):
        filled_schema(run)
    path, weights = os.path.abspath(run.path) if isinstance(run, RunFolder) else run, weights_of(run)
    about = {"task": task, "run": path, "weights": weights, "settings": dict(settings), "options": dict(options)}
    if task == "impute" and isinstance(run, RunFolder):  # the values also depend on this part of the run
        errors = run.path / "latent" / PART
        about["fill_errors"] = checksum(errors)[1] if errors.is_dir() else None
    manifest = ShardManifest.open(out, about)
    orphans = manifest.forget_others(shards)
    there = each(manifest.is_done, shards, lambda _: None)  # in threads: checksums of possibly many gigabytes
    due = [shard for shard, done in zip(shards, there, strict=True) if done is not True]
    tasks = {
        # Absolute paths, because a worker in a cluster may have another current folder.
        (read := os.path.abspath(shard.source)): ShardTask(
            task, path, read, os.path.abspath(out / shard.out), weights, settings, options
        )
        for shard in due
    }
    if due and task == "score" and isinstance(run, RunFolder):
        detector_for(run, options.get("false_alarms"))  # trains additional models once, not in every worker
    record = _Record(manifest, dict(zip(tasks, due, strict=True)), len(shards), progress)
    for folder in {(out / shard.out).parent for shard in due}:
        clear_parts(folder)
    with claimed(out, [out / shard.out for shard in due]), record.kept():
        run_shards(list(tasks.values()), workers, record.done)
    if orphans:
        of = f"{printable(out)} still has {counted(len(orphans), 'file')} from shards that no longer exist"
        record.said.append(("", f"{of}, such as {printable(orphans[0])}"))
    written = record.written(out, len(shards), len(shards) - len(due))
    return _with_fills(written, run, manifest) if task == "impute" and isinstance(run, RunFolder) else written


def _with_fills(written: ShardsWritten, run: RunFolder, manifest: ShardManifest) -> ShardsWritten:
    """What was filled in all shards, also those that were already there."""
    about = {name: {k: entry[k] for k in ("filled", "spread")} for name, entry in sorted(manifest.shards.items())}
    fills = ShardFills.of(run, about)
    return replace(written, fills=fills, said=(*written.said, *fills.certainty))


class _Record:
    """The results of the shards so far."""

    def __init__(
        self, manifest: ShardManifest, due: Mapping[str, Shard], total: int, progress: Progress | None
    ) -> None:
        self.manifest, self.due, self.total, self.progress = manifest, due, total, progress
        self.stamps = {source: stamp_of(shard.source) for source, shard in due.items()}
        self.said: list[tuple[str, str]] = []  # the shard's name and a note about it
        self.bad: dict[str, tuple[int, str]] = {}
        self.saved = time.monotonic()

    def done(self, task: ShardTask, result: ShardResult) -> None:
        shard = self.due[task.source]
        if result.error is None:
            self.manifest.add(shard, self.stamps[task.source], result)
            self.said += [(shard.name, text) for text in result.said]
        else:
            self.bad[shard.name] = result.error
        if self.progress is not None:
            self.progress(len(self.manifest.shards) + len(self.bad), self.total)
        if time.monotonic() - self.saved > SAVED_EVERY:
            self.manifest.write()
            self.saved = time.monotonic()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Writes the manifest at the end, even after an error."""
        try:
            yield
        finally:
            self.manifest.write()

    def written(self, out: Path, shards: int, left: int) -> ShardsWritten:
        """Raises: one error for all shards that could not be written."""
        if self.bad:
            raise _some_failed(self.bad, shards, out)
        entries = self.manifest.shards.values()
        outliers = [entry["outliers"] for entry in entries if "outliers" in entry]
        total = sum(entry["n"] for entry in entries)
        return ShardsWritten(out, total, shards, left, sum(outliers) if outliers else None, tuple(merged(self.said)))


def merged(said: Iterable[tuple[str, str]]) -> list[str]:
    """One note for all that differ only in numbers and in the name of their shard, from (name, note).

    >>> merged([("a.csv", "3 gaps in a.csv"), ("b.csv", "4 gaps in b.csv"), ("b.csv", "no labels")])
    ['3 gaps in a.csv (and similar in 1 other shard)', 'no labels']
    """
    alike: dict[str, list[str]] = {}
    for name, text in sorted(said):
        own = text.replace(Path(name).name, "") if name else text
        alike.setdefault(re.sub(r"\d[\d,.]*", "", own), []).append(text)
    return [_of_all(texts) for texts in alike.values()]


def _of_all(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    if len(set(texts)) == 1:
        return f"{texts[0]} (in {len(texts):,} shards)"
    return f"{texts[0]} (and similar in {counted(len(texts) - 1, 'other shard')})"


def _refuse(out: Path, source: str, shards: Sequence[Shard]) -> None:
    refuse_inputs(out, source, *[shard.source for shard in shards])
    if out.suffix.lower() in {".csv", ".tsv", ".npy", ".parquet", ".npz"} or out.is_file():
        message = f"{printable(out)} is a single file, but the results of shards are a folder of files."
        raise UsageError("USAGE-OUT", message, fix="name a folder with -o")
    folder = out.resolve()
    inside = [shard for shard in shards if shard.source.resolve().is_relative_to(folder)]
    if inside:
        message = f"{printable(out)} contains input files, such as {printable(inside[0].name)}."
        raise UsageError("USAGE-OVERWRITE", message, fix="name another folder with -o")


def _some_failed(bad: Mapping[str, tuple[int, str]], shards: int, out: Path) -> DataError | ResourceError:
    rest = f"; the rest is in {printable(out)}" if len(bad) < shards else ""
    message = f"{len(bad):,} of {counted(shards, 'shard')} could not be written{rest}."
    lack = any(code == ResourceError.exit_code for code, _ in bad.values())
    problems = [f"{printable(name)}: {text}" for name, (_, text) in bad.items()]
    kind, code = (ResourceError, "RESOURCE-SHARDS") if lack else (DataError, "DATA-SHARDS")
    fix = "solve the problems above and run the same command again; finished shards are skipped"
    return kind(code, message, fix=fix, problems=problems)


__all__ = ["ShardsWritten", "process_shards", "workers_at"]
