"""`process_shard`: one file through a trained run to another, a pure function that any executor can run anywhere."""

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

TASKS = ("encode", "score", "reconstruct", "denoise")


class ShardTask(NamedTuple):
    """What is to be done, by plain values only, so that it can be sent to another process or machine.

    `weights` is the SHA-256 of the run's weights, `settings` are reading options and `options` those of the task.
    `threads` for PyTorch: the same number gives the same bytes, whoever runs it.
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
    """What was written: `n` samples, `outliers` of them where that was asked, `bytes` and `sha256` of the file.

    `said` are sentences about the data. `error` is set where nothing was written: (exit code, sentence).
    """

    n: int = 0
    bytes: int = 0
    sha256: str = ""
    outliers: int | None = None
    said: tuple[str, ...] = ()
    error: tuple[int, str] | None = None


def process_shard(task: ShardTask) -> ShardResult:
    """Writes `task.out` by rename; what is wrong with the data or the disk comes back as `error`."""
    import torch

    torch.set_num_threads(task.threads)
    try:
        n, outliers, said = patiently(lambda: _done(task))  # by rename: it can be done again
        size, digest = checksum(Path(task.out))
    except IsthmusError as error:
        return ShardResult(error=(error.exit_code, _sentence(error)))
    except OSError as error:
        return _failed(f"{error.strerror or error}.")
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return _failed("there is not enough memory for it.")
    return ShardResult(n, size, digest, outliers, tuple(said))


def _failed(why: str) -> ShardResult:
    return ShardResult(error=(ResourceError.exit_code, why))


def checksum(path: Path) -> tuple[int, str]:
    """(bytes, SHA-256) of a file, or of the names and sums of the files in a folder."""
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
    """The SHA-256 of what a run, or `photo`, computes with."""
    if isinstance(run, RunFolder):
        return run.model.weights_sha256 or ""
    from isthmus.models.photo import FOLDER

    return checksum(FOLDER)[1]


def _done(task: ShardTask) -> tuple[int, int | None, tuple[str, ...]]:
    from isthmus.tools.anomaly.score_table import score
    from isthmus.tools.inference import apply

    if is_photo(task.run):
        written = apply.denoise_with_photo(task.source, task.out, task.settings, **task.options)
        return written.n, None, written.said
    run = _opened(task.run, task.weights)
    if task.task == "score":
        scored = score(run, task.source, task.out, settings=task.settings, **task.options)
        return scored.n, scored.n_outliers, scored.said
    written = getattr(apply, task.task)(run, task.source, task.out, task.settings, **task.options)
    return written.n, None, written.said


@lru_cache(maxsize=1)  # a worker gets many shards of one run
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
