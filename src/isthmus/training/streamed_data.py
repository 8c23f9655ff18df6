"""The three sets of data that may be larger than memory, and the settings that keep a streamed training as it began."""

from __future__ import annotations

from dataclasses import replace

from isthmus.config import DataConfig
from isthmus.data.batching.split import Splits, split
from isthmus.data.read import allowed
from isthmus.data.samples import Bundle, Samples
from isthmus.data.streaming import (
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

ROLES = ("validation", "test")


def divided(bundle: Bundle, options: DataConfig, seed: int, others: dict[str, Samples | None]) -> Splits:
    """The three sets; the training part stays on disk where memory does not hold it, the others never do."""
    bundle = bundle_on_disk(bundle, options)
    others = {role: None if each is None else on_disk(each, options) for role, each in others.items()}
    refuse_unstreamable(bundle.train)
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
    """The settings by which a run that goes on divides and shuffles its data as before, and what is to be said."""
    train = splits.train
    if not train.is_streamed:
        return replace(data, stream="no", buffer=None, held=None), []
    with allowed(data):
        buffer = buffer_of(train, data)
        said = [told(train, data, buffer)]
    said += [note for role in ROLES for note in getattr(splits, role).notes if note not in train.notes]
    return replace(data, stream="yes", buffer=buffer, held=max(len(splits.validation), len(splits.test))), said


__all__ = ["divided", "settled_streaming"]
