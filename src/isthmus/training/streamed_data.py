"""The three sets of data that may be larger than memory, and settings that keep a streamed training reproducible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from isthmus.config import DataConfig
from isthmus.data.batching.split import Splits, split
from isthmus.data.read import allowed
from isthmus.data.samples import Bundle, Samples
from isthmus.data.streaming import (
    PAIRS,
    buffer_of,
    bundle_on_disk,
    held,
    in_memory,
    most_held,
    must_stream,
    on_disk,
    refuse_unstreamable,
    told,
)
from isthmus.system.scratch import both_in_memory

ROLES = ("validation", "test")


@contextmanager
def memory_for_pairs(halves: bool, noisy: Samples | None = None) -> Iterator[None]:
    """Inside the block, data that is one half of pairs must fit into memory twice; `noisy` is a half already read.

    Raises: ResourceError, before the data is read if its size is known.
    """
    if not halves:
        yield
        return
    if noisy is not None:
        refuse_unstreamable(noisy)
    with both_in_memory(PAIRS):
        yield


def divided(bundle: Bundle, options: DataConfig, seed: int, others: dict[str, Samples | None]) -> Splits:
    """The three sets. The training part stays on disk if it does not fit into memory; the others never do."""
    bundle = bundle_on_disk(bundle, options)
    others = {role: None if each is None else on_disk(each, options) for role, each in others.items()}
    streams = must_stream(bundle.train, options, options.limit)
    most = most_held(bundle.train, options) if streams else None
    parts = split(bundle, seed=seed, limit=options.limit, rule=options.split, most_test=most, **others)
    given = {role: others[role] is not None or (role == "test" and bundle.test is not None) for role in ROLES}
    rest = {
        role: held(getattr(parts, role), options, role) if given[role] else in_memory(getattr(parts, role))
        for role in ROLES
    }
    return replace(parts, train=parts.train if streams else in_memory(parts.train), **rest)


def settled_streaming(data: DataConfig, splits: Splits) -> tuple[DataConfig, list[str]]:
    """The settings with which a resumed run splits and shuffles its data as before, and notes."""
    train = splits.train
    if not train.is_streamed:
        return replace(data, stream="no", buffer=None, held=None), []
    with allowed(data):
        buffer = buffer_of(train, data)
        said = [told(train, data, buffer)]
    said += [note for role in ROLES for note in getattr(splits, role).notes if note not in train.notes]
    return replace(data, stream="yes", buffer=buffer, held=max(len(splits.validation), len(splits.test))), said


__all__ = ["divided", "memory_for_pairs", "settled_streaming"]
