"""Reads all data: names, paths and Python objects, converted to the form that the options ask for."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from isthmus.config import DataConfig
from isthmus.data.images.transforms import conform_bundle
from isthmus.data.objects import read_object
from isthmus.data.samples import Bundle, Samples
from isthmus.data.schema import Expected
from isthmus.data.sources import read_source
from isthmus.system.memory import at_most, parse_bytes
from isthmus.system.workers import Progress


def allowed(options: DataConfig) -> AbstractContextManager[None]:
    """Inside it, at most `options.memory` counts as available memory. Raises: UsageError if that is not a size."""
    return at_most(None if options.memory is None else parse_bytes(options.memory))


def read(
    source: Any,
    options: DataConfig | None = None,
    progress: Progress | None = None,
    *,
    expected: Expected | None = None,
) -> Bundle:
    """The samples of a name, a path (preferred to a name), or a Python object.

    A path is a folder of images, of IDX files or with `train` and `test` sub-folders, one image, a table, an array or
    an IDX file. `progress(done, total)` counts steps of reading images, or bytes of a download; `expected` are the
    columns of the table that a model was trained on.

    Raises: DataError with the most similar known name if nothing is found; other errors from the reader.
    """
    options = options or DataConfig()
    with allowed(options):
        if not isinstance(source, str | os.PathLike):
            return read_object(source, options)
        return conform_bundle(read_source(source, options, progress, expected), options)


def read_samples(
    source: str | os.PathLike[str],
    options: DataConfig | None = None,
    progress: Progress | None = None,
    *,
    expected: Expected | None = None,
) -> Samples:
    """One set of samples to evaluate or to use a model on: the test part, if the source has one.

    `expected` are the columns of the table that a model was trained on.

    Raises: as `read`.
    """
    options = options or DataConfig()
    with allowed(options):
        bundle = conform_bundle(read_source(source, options, progress, expected), options)
    if bundle.test is None:
        return bundle.train
    note = f"{bundle.test.name}: only the test part is read ({len(bundle.test):,} samples)."
    return replace(bundle.test, notes=(*bundle.train.notes, *bundle.test.notes, note))
