"""Reads the data that a run was trained on again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.config import Config
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import Splits
from isthmus.errors import DataError, IsthmusError
from isthmus.runs.record import digests
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.prepared import IN_MEMORY, Prepared


class ReadOnce:
    """Data of several runs: read once for all runs with the same data settings and seed."""

    def __init__(self) -> None:
        self._kept: dict[str, Splits] = {}

    def __call__(self, config: Config) -> Splits:
        settings = repr((config.data, config.training.seed))
        if settings not in self._kept:
            self._kept[settings] = prepare.read_splits(config, None, Quiet())
        return self._kept[settings]


def read_again(
    run_path: Path,
    config: Config,
    record: Mapping[str, Any],
    preprocess: Preprocess,
    read: ReadOnce | None = None,
) -> Prepared:
    """Settings and data of a finished run, as they were when it started, with the model's own preprocessing.

    `read`: a reader that several runs share.

    Raises: DataError if the data was passed in memory, can no longer be read, or has changed.
    """
    about = config.data
    paths = [path for path in (about.source, about.target, about.validation, about.test) if path]
    sources = " and ".join(paths)
    # This machine may not have the original device.
    config = replace(config, training=replace(config.training, device="auto"))
    if IN_MEMORY in (about.source, about.target):
        message = f"{run_path} was trained on data in memory, which was not saved."
        raise DataError("DATA-GONE", message, fix="train with a path or a name, so that the data can be read again")
    try:
        splits = (read or ReadOnce())(config)
    except IsthmusError as error:
        message = f"the data that {run_path} was trained on can no longer be read: {error.message}"
        fix = f"put {sources} back where it was" if len(paths) == 1 else f"put {sources} back where they were"
        raise DataError("DATA-GONE", message, fix=fix) from None
    if "data" in record and record["data"] != digests(splits):  # early runs have no such record
        message = f"{' or '.join(paths)} has changed since {run_path} was trained on it."
        raise DataError("DATA-CHANGED", message, fix="restore the old data, or train again")
    return replace(prepare.prepare(config, splits), preprocess=preprocess)


__all__ = ["ReadOnce", "read_again"]
