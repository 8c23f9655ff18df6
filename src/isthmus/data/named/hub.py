"""`hub:NAME`: a data set from the Hugging Face Hub, or a folder in its layout, read by the package `datasets`.

`datasets` keeps its data in memory-mapped Arrow files, so only the arrays made from it here take memory, and these go
into a file if they are too large (`system/scratch.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.config import DataConfig
from isthmus.data.named.hub_columns import samples_of
from isthmus.data.samples import Bundle
from isthmus.data.schema import Expected
from isthmus.errors import DataError, UsageError, unknown
from isthmus.extras import installing
from isthmus.wording import listed, printable

PREFIX = "hub:"
SAVED = ("dataset_dict.json", "state.json")  # files that `save_to_disk` writes into a folder
HOW = "write it as hub:NAME, hub:NAME@SPLIT or hub:NAME#SUBSET@SPLIT"


class HubName(NamedTuple):
    """The parts of `hub:NAME#SUBSET@SPLIT`; None for a part that is not given."""

    name: str
    subset: str | None
    split: str | None

    @property
    def short(self) -> str:
        """The name for its samples: `"ylecun/mnist"` -> `"mnist"`."""
        return Path(self.name).name


def is_hub(text: str) -> bool:
    return text.startswith(PREFIX)


def hub_name(text: str) -> HubName:
    """The parts of a name.

    >>> hub_name("hub:ylecun/mnist@test")
    HubName(name='ylecun/mnist', subset=None, split='test')

    Raises: UsageError if a part is empty.
    """
    name, at, split = text.removeprefix(PREFIX).partition("@")
    name, sharp, subset = name.partition("#")
    if not name.strip(" /") or (at and not split) or (sharp and not subset):
        raise UsageError("USAGE-SOURCE", f"{printable(text)} is not the name of a data set on the Hub.", fix=HOW)
    return HubName(name, subset or None, split or None)


def read_hub(text: str, options: DataConfig, expected: Expected | None = None) -> Bundle:
    """The data of `hub:NAME`: its train and test splits, its only split, or the given split.

    NAME is a data set on the Hub, which is downloaded once into the cache of `datasets`, or a folder that `datasets`
    can read or that `save_to_disk` wrote. `expected` are the columns of a trained model.

    Raises: UsageError without `datasets`; DataError for an unknown name, an unreachable Hub, an unknown split or
    subset, and invalid values.
    """
    wanted = hub_name(text)
    parts = _loaded(wanted)
    if not isinstance(parts, Mapping):
        return Bundle(samples_of(parts, wanted.short, options, expected))
    roles = {role: next((k for k in parts if k.casefold() == role), None) for role in ("train", "test")}
    if roles["train"] is None and len(parts) > 1:
        message = f"{printable(text)} has the splits {listed(list(parts))}, but none is called train."
        raise DataError("DATA-SPLIT", message, fix=f"choose one: {text}@{next(iter(parts))}")
    first = roles["train"] or next(iter(parts))
    train = samples_of(parts[first], wanted.short, options, expected)
    unread = [k for k in parts if k not in (first, roles["test"])]
    if unread:
        note = f"{text}: not read: {listed(unread)}; pass --validation {text}@{unread[0]} to use that split."
        train = replace(train, notes=(note, *train.notes))
    if roles["test"] in (None, first):
        return Bundle(train)
    return Bundle(train, samples_of(parts[roles["test"]], f"{wanted.short}/test", options, expected))


def _loaded(wanted: HubName) -> Any:
    """A `Dataset`, or a mapping of them."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        message = "data from the Hugging Face Hub needs the package datasets, which is not installed."
        raise UsageError("USAGE-EXTRA", message, fix=installing("hub")) from None
    folder = Path(wanted.name).expanduser()
    with _in_plain_words(wanted), _quiet(datasets):
        if any((folder / name).is_file() for name in SAVED):
            return _of_split(datasets.load_from_disk(str(folder)), wanted)
        name = str(folder) if folder.is_dir() else wanted.name
        return datasets.load_dataset(name, wanted.subset, split=wanted.split)


def _of_split(saved: Any, wanted: HubName) -> Any:
    """The requested split of data written by `save_to_disk`, which may be a single split without a name."""
    if wanted.split is None:
        return saved
    parts = saved if isinstance(saved, Mapping) else {str(saved.split): saved}
    if wanted.split not in parts:
        raise unknown("split", wanted.split, list(parts))
    return parts[wanted.split]


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Switches off the progress bars of `datasets`, and its log messages about retries."""
    shown = datasets.is_progress_bar_enabled() if hasattr(datasets, "is_progress_bar_enabled") else True
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub", "fsspec")]
    levels = [logger.level for logger in loggers]
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _in_plain_words(wanted: HubName) -> Iterator[None]:
    """Converts the errors of `datasets` to errors that say what to do."""
    where = f"{PREFIX}{printable(wanted.name)}"
    try:
        yield
    except ConnectionError:
        message = f"{where}: there is no such folder here, and the Hugging Face Hub cannot be reached."
        fix = "connect to the network, or download the data set elsewhere, use save_to_disk, and pass that folder"
        raise DataError("DATA-DOWNLOAD", message, fix=fix) from None
    except FileNotFoundError as error:
        raise _not_found(where, error) from None
    except (ValueError, OSError, RuntimeError) as error:
        message = f"{where} cannot be loaded: {_first_line(error)}"
        raise DataError("DATA-HUB", message, fix=HOW) from None


def _not_found(where: str, error: FileNotFoundError) -> DataError:
    if "gated" in str(error):
        message = f"{where} is available only to users whom its owners have approved."
        return DataError("DATA-SOURCE", message, fix="request access on its page, then log in with: hf auth login")
    message = f"{where}: not found on the Hugging Face Hub, or private, and there is no such folder here."
    return DataError("DATA-SOURCE", message, fix="write the name as on its page, for example hub:ylecun/mnist")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


__all__ = ["PREFIX", "HubName", "hub_name", "is_hub", "read_hub"]
