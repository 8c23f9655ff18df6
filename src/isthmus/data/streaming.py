"""Decides which data stays on disk during training and evaluation: data larger than the available memory."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.samples import Bundle, Samples
from isthmus.data.stored_rows import StoredRows
from isthmus.system.memory import data_bytes, refuse_too_large, size_of
from isthmus.system.scratch import SMALLER, is_mapped
from isthmus.wording import counted

HELD_SHARE = 1 / 8  # the largest fraction of the memory for data that validation and test may each take
FEWEST_HELD = 100  # samples: fewer give little information, and 100 fit wherever training fits
BUFFER_SHARE = 1 / 16  # of the memory for data: two buffers are held, and a third while one is sorted
MOST_BUFFER = 1 << 28  # 268 MB: blocks of 1 MB, which a disk reads as fast as longer ones
PAIRS = "pairs cannot be read from disk during training, and this data"
MOST_TEST = 10_000  # test samples of streamed data, as in MNIST's test set: gives the error to 1 %


def on_disk(samples: Samples, options: DataConfig) -> Samples:
    """The samples with x read from disk on access, if x is a mapped array; other samples are unchanged.

    If `options` say so, samples in memory are read in the same way, so that a run continues as it began on any machine.
    """
    plain = samples.whole is None and samples.x_in is None and samples.schema is None and samples.windows is None
    if samples.is_streamed or not plain or not (is_mapped(samples.x) or options.stream == "yes"):
        return samples
    return replace(samples, x=StoredRows(samples.x, name=samples.name))


def bundle_on_disk(bundle: Bundle, options: DataConfig) -> Bundle:
    """`on_disk` for both parts."""
    return Bundle(on_disk(bundle.train, options), None if bundle.test is None else on_disk(bundle.test, options))


def must_stream(samples: Samples, options: DataConfig, n: int | None = None) -> bool:
    """Whether n of the samples (default: all) stay on disk: if they can, and do not fit in memory."""
    if not samples.is_streamed or options.stream != "auto":
        return samples.is_streamed and options.stream == "yes"
    most = data_bytes()
    return most is not None and _needed(samples, n) > most


def refuse_unstreamable(samples: Samples) -> None:
    """Checks one half of pairs, before the other half is read.

    Raises: ResourceError for pairs that do not fit in memory, because pairs cannot be trained on from disk.
    """
    refuse_too_large(2 * _needed(samples), f"{samples.name}: {PAIRS}", fix=SMALLER)


def in_memory(samples: Samples) -> Samples:
    """The samples with x in memory. Raises: ResourceError if it does not fit."""
    if not samples.is_streamed:
        return samples
    fix = "pass --set data.stream=auto to train on it from disk, or use fewer samples with --limit"
    refuse_too_large(_needed(samples), samples.name, fix=fix)
    return replace(samples, x=samples.x[:], ids=None if samples.ids is None else tuple(samples.ids))


def held(samples: Samples, options: DataConfig, role: str) -> Samples:
    """Separate validation or test samples, in memory; if there are too many, an evenly spaced part, with a note."""
    n, most = len(samples), most_held(samples, options)
    if n > most and must_stream(samples, options):
        rows = np.linspace(0, n - 1, most).round().astype(np.int64)
        note = f"{samples.name}: {most:,} of {n:,} {role} samples are used, evenly spaced: they must fit in memory."
        samples = replace(samples.take(rows), notes=(*samples.notes, note))
    return in_memory(samples)


def most_held(samples: Samples, options: DataConfig) -> int:
    """The number of validation or test samples that stay in memory next to streamed training data."""
    most = data_bytes()
    if options.held is not None or most is None:
        return options.held or MOST_TEST
    return max(FEWEST_HELD, min(MOST_TEST, int(HELD_SHARE * most) // max(1, _needed(samples, 1))))


def buffer_of(train: Samples, options: DataConfig) -> int:
    """The number of samples that are shuffled at a time: as requested, otherwise as many as fit."""
    one = math.prod(train.shape) * train.x.itemsize
    return options.buffer or fitting_buffer(one, len(train), data_bytes())


def told(train: Samples, options: DataConfig, buffer: int) -> str:
    """A sentence that the data stays on disk, why, and how many samples are shuffled at a time."""
    most = data_bytes()
    over = f", more than the {size_of(most)} available for it" if most is not None and options.stream == "auto" else ""
    return (
        f"{train.name}: the data needs {size_of(_needed(train))} of memory{over}; it is read from disk during "
        f"training, with {counted(buffer, 'sample')} shuffled at a time."
    )


def fitting_buffer(n_bytes: int, n_samples: int, most: int | None) -> int:
    """The number of samples of `n_bytes` in a buffer, if data may take `most` bytes of memory."""
    room = MOST_BUFFER if most is None else min(MOST_BUFFER, int(BUFFER_SHARE * most))
    return max(1, min(n_samples, room // max(1, n_bytes)))


def _needed(samples: Samples, n: int | None = None) -> int:
    """Bytes of memory for n samples: uint8 once, other types also as network input."""
    twice = 1 if samples.x.dtype == np.uint8 else 2
    return (len(samples) if n is None else min(n, len(samples))) * math.prod(samples.shape) * samples.x.itemsize * twice


__all__ = [
    "PAIRS", "buffer_of", "bundle_on_disk", "fitting_buffer", "held", "in_memory", "most_held", "must_stream",
    "on_disk", "refuse_unstreamable", "told",
]  # fmt: skip
