"""The data that a run was trained on, read once more, and what is made of it for the latent tools."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from isthmus.config import Config
from isthmus.data.batching.split import Splits
from isthmus.errors import DataError, IsthmusError, ResourceError
from isthmus.runs.artifacts import Shelf
from isthmus.runs.folder import Run
from isthmus.runs.latent import PART, Latent, refuse_without_code
from isthmus.runs.record import digests
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.prepare import IN_MEMORY, Prepared


class ReadOnce:
    """Data of runs that are looked at together: read once for all that name the same and divide it alike."""

    def __init__(self) -> None:
        self._kept: dict[str, Splits] = {}

    def __call__(self, config: Config) -> Splits:
        settings = repr((config.data, config.training.seed))
        if settings not in self._kept:
            self._kept[settings] = prepare.read_splits(config, None, Quiet())
        return self._kept[settings]


def prepared_again(run: Run, read: ReadOnce | None = None) -> Prepared:
    """Settings and data of a finished run, as they were when it began; the model's own preprocessing.

    `read`: what several runs share.

    Raises: DataError if the data was handed over in memory, cannot be read any more, or has changed.
    """
    source, training = run.config.data.source, run.config.training
    config = replace(run.config, training=replace(training, device="auto"))  # that of its training may be elsewhere
    if source == IN_MEMORY:
        message = f"{run.path} was trained on data in memory, which is not kept with it."
        raise DataError("DATA-GONE", message, fix="train with a path or a name, so that the data can be read again")
    try:
        splits = (read or ReadOnce())(config)
    except IsthmusError as error:
        message = f"the data that {run.path} was trained on cannot be read any more: {error.message}"
        raise DataError("DATA-GONE", message, fix=f"bring {source} back to where it was") from None
    if run.record.get("data", digests(splits)) != digests(splits):  # early runs have no such record
        message = f"{source} is not what {run.path} was trained on; it has changed since."
        raise DataError("DATA-CHANGED", message, fix="bring the old data back, or train again")
    return replace(prepare.prepare(config, splits), preprocess=run.model.preprocess)


def latent_of(run: Run) -> Latent:
    """What a run keeps in latent/; made of the training data, and kept, where it is not there yet.

    Raises: UsageError for a model without a code; DataError where the data is needed and cannot be read.
    """
    refuse_without_code(run.model)
    if Shelf(run.path).has(PART):
        return Latent.load(run.path)
    latent = Latent.build(run.prepared, run.model)
    with suppress(ResourceError):  # a run on a disk that is full or read-only can be used all the same
        latent.write(run.path)
    return latent


__all__ = ["ReadOnce", "latent_of", "prepared_again"]
