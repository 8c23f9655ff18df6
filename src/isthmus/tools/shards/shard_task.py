"""`process_shard`: applies a trained run to one file and writes another; any executor can run it anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.errors import IsthmusError, ModelFileError, ResourceError
from isthmus.runs.finding import is_photo
from isthmus.runs.folder import RunFolder
from isthmus.system.memory import is_lack_of_memory
from isthmus.system.passing_errors import patiently

TASKS = ("encode", "score", "reconstruct", "denoise", "impute")


class ShardTask(NamedTuple):
    """One task, made of plain values so that it can be sent to another process or machine.

    `weights` is the SHA-256 of the run's weights, `settings` are reading options and `options` those of the task.
    `threads` is for PyTorch: the same number gives the same bytes on any worker.
    """

    task: str
    run: str
    source: str
    out: str
    weights: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    threads: int = 1


class ShardResult(NamedTuple):
    """What was written: `n` samples, the number of `outliers` for scores, and `bytes` and `sha256` of the file.

    `fills`, for `impute`: the numbers of filled cells (`filled`) and spreads of draws (`spread`) by column. `said` are
    notes about the data. `error` is set if nothing was written: (exit code, sentence).
    """

    n: int = 0
    bytes: int = 0
    sha256: str = ""
    outliers: int | None = None
    said: tuple[str, ...] = ()
    error: tuple[int, str] | None = None
    fills: Mapping[str, Mapping[str, float]] | None = None


def process_shard(task: ShardTask) -> ShardResult:
    """Writes `task.out` atomically; problems with the data or the disk are returned as `error`."""
    import torch

    torch.set_num_threads(task.threads)
    try:
        found = patiently(lambda: _done(task))  # atomic, so it can be repeated
        size, digest = checksum(Path(task.out))
    except IsthmusError as error:
        return ShardResult(error=(error.exit_code, _sentence(error)))
    except OSError as error:
        return _failed(f"{error.strerror or error}.")
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return _failed("there is not enough memory.")
    return found._replace(bytes=size, sha256=digest)


def _failed(why: str) -> ShardResult:
    return ShardResult(error=(ResourceError.exit_code, why))


def checksum(path: Path) -> tuple[int, str]:
    """(bytes, SHA-256) of a file, or of the names and checksums of the files in a folder."""
    if not path.is_dir():
        return patiently(lambda: _of_file(path))
    total, whole = 0, hashlib.sha256()
    for inner in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
        size, digest = checksum(inner)
        total += size
        whole.update(f"{inner.relative_to(path).as_posix()} {digest}\n".encode())
    return total, whole.hexdigest()


def _of_file(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def weights_of(run: str | RunFolder) -> str:
    """The SHA-256 of the weights of a run or of `photo`."""
    if isinstance(run, RunFolder):
        return run.model.weights_sha256 or ""
    from isthmus.models.photo import FOLDER

    return checksum(FOLDER)[1]


def _done(task: ShardTask) -> ShardResult:
    """The result without the size and checksum of the file."""
    from isthmus.tools.anomaly.score_table import score
    from isthmus.tools.inference import apply
    from isthmus.tools.inference.imputation import impute

    if is_photo(task.run):
        written = apply.denoise_with_photo(task.source, task.out, task.settings, **task.options)
        return ShardResult(written.n, said=tuple(written.said))
    run = _opened(task.run, task.weights)
    if task.task == "score":
        scored = score(run, task.source, task.out, settings=task.settings, **task.options)
        return ShardResult(scored.n, outliers=scored.n_outliers, said=tuple(scored.said))
    if task.task == "impute":
        full = impute(run, task.source, task.out, task.settings)
        return ShardResult(full.n, said=full.notes, fills={"filled": full.columns, "spread": full.spreads})
    written = getattr(apply, task.task)(run, task.source, task.out, task.settings, **task.options)
    return ShardResult(written.n, said=tuple(written.said))


@lru_cache(maxsize=1)  # a worker gets many shards of the same run
def _opened(path: str, weights: str) -> RunFolder:
    run = RunFolder(path)
    if run.model.weights_sha256 != weights:
        message = f"{path} was trained further, or replaced, while its shards were being written."
        raise ModelFileError("MODEL-CHANGED", message, fix="run the command again")
    return run


def _sentence(error: IsthmusError) -> str:
    listed = "".join(f"; {problem}" for problem in error.problems[:1])
    return f"{error.message}{listed}" + (f" ({error.fix})" if error.fix else "")


__all__ = ["TASKS", "ShardResult", "ShardTask", "checksum", "process_shard", "weights_of"]
