"""Data from Python objects: arrays, tensors, frames, lists of images, torch datasets and loaders."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.collecting import Collector, collect, plain_tensor
from isthmus.data.images.image_folder import samples_from_pictures
from isthmus.data.images.transforms import conform_bundle
from isthmus.data.labels import encode_labels, same_classes
from isthmus.data.samples import Bundle, Samples
from isthmus.data.schema import Expected
from isthmus.data.sources import read_source
from isthmus.data.tables.named_columns import from_columns
from isthmus.data.tables.reading import samples_from_frame
from isthmus.errors import DataError, UsageError

ACCEPTED = (
    "a numpy array, a tensor, a polars or pandas DataFrame, a dict of columns, (X, y), a list of arrays or images, "
    "a torch Dataset or DataLoader, or a mapping with 'train' and 'test'"
)


def read_object(
    data: Any,
    options: DataConfig | None = None,
    labels: Any = None,
    *,
    name: str = "data",
    expected: Expected | None = None,
) -> Bundle:
    """Samples from a Python object; `labels` are one class per sample, numbers or strings. `expected` are the columns
    of a trained model, which are looked up in a frame.

    Accepted are NumPy arrays, torch tensors, polars and pandas DataFrames, dicts of columns, structured arrays,
    `Samples` and `Bundle`, a pair (X, y), lists of arrays or Pillow images, torch datasets (with or without labels,
    map-style or iterable) and data loaders, which are read once, and a mapping with `train` and `test` of any of these;
    also a path or a name, as in `read`. Images are uint8 0..255, uint16, or floats in [0, 1], as everywhere.

    Raises: UsageError for other objects; DataError for invalid values, shapes or labels.
    """
    options = options or DataConfig()
    if isinstance(data, str | os.PathLike):
        data = conform_bundle(read_source(data, options), options)
    if isinstance(data, Mapping) and "train" in data:
        return _from_mapping(data, options, expected)
    bundle = data if isinstance(data, Bundle) else Bundle(_read_one(data, options, name, expected))
    if labels is not None:
        bundle = replace(bundle, train=_labeled(bundle.train, labels))
    return conform_bundle(bundle, options)


def _from_mapping(data: Mapping[str, Any], options: DataConfig, expected: Expected | None) -> Bundle:
    unknown = set(data) - {"train", "test"}
    if unknown:
        message = f"the mapping has {', '.join(sorted(map(repr, unknown)))} besides 'train' and 'test'."
        raise UsageError("USAGE-OBJECT", message, fix="pass only 'train' and 'test', and validation data separately")
    train = read_object(data["train"], options, name="train", expected=expected).train
    if data.get("test") is None:
        return Bundle(train)
    return Bundle(*same_classes(train, read_object(data["test"], options, name="test", expected=expected).train))


def _read_one(data: Any, options: DataConfig, name: str, expected: Expected | None = None) -> Samples:
    if isinstance(data, Samples):
        return data
    columns = from_columns(data, name)
    if columns is not None:
        return samples_from_frame(columns, name=name, options=options, expected=expected)
    if isinstance(data, np.ndarray):
        return samples_from_array(data, name=name, options=options, expected=expected)
    if _is_tensor(data):
        return samples_from_array(plain_tensor(data), name=name, options=options, expected=expected)
    if hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "with_columns")):
        return samples_from_frame(data, name=name, options=options, expected=expected)
    if isinstance(data, tuple) and len(data) == 2:
        return _from_pair(*data, options, name, expected)
    if isinstance(data, list | tuple):
        return _from_sequence(data, options, name, expected)
    if _is_picture(data):
        return samples_from_pictures([data], options, name=name)
    if _gives_items(data):
        return _from_items(data, options, name)
    if hasattr(data, "__array__"):
        return samples_from_array(np.asarray(data), name=name, options=options, expected=expected)
    message = f"{name} is a {type(data).__module__}.{type(data).__name__}, which cannot be read."
    raise UsageError("USAGE-OBJECT", message, fix=f"pass {ACCEPTED}")


def _from_pair(x: Any, y: Any, options: DataConfig, name: str, expected: Expected | None) -> Samples:
    """Samples from (X, y). Raises: UsageError if y is not one label per sample."""
    samples = _read_one(x, options, name, expected)
    values = plain_tensor(y) if _is_tensor(y) else np.asarray(y)
    if values.ndim != 1 and values.shape[1:] != (1,):
        message = f"{name} is a pair, but the second part has shape {values.shape}; (X, y) has one label per sample."
        raise UsageError("USAGE-OBJECT", message, fix="to add a test part, pass {'train': …, 'test': …}")
    return _labeled(samples, values.reshape(-1))


def _from_sequence(data: Sequence[Any], options: DataConfig, name: str, expected: Expected | None) -> Samples:
    """Samples from a list of images, arrays, tensors, or rows of numbers."""
    if not data:
        raise DataError("DATA-EMPTY", f"{name} is an empty list.", fix="pass at least two samples")
    pictures = [item for item in data if _is_picture(item)]
    if len(pictures) == len(data):
        return samples_from_pictures(pictures, options, name=name)
    if all(isinstance(item, list | tuple | int | float) for item in data):
        try:
            return samples_from_array(np.asarray(data), name=name, options=options, expected=expected)
        except ValueError:  # rows of different lengths, or pairs of a sample and its label: handled item by item
            pass
    return _from_items(data, options, name)


def _from_items(data: Any, options: DataConfig, name: str) -> Samples:
    """Samples from a dataset, a loader or any other iterable, item by item."""
    found = collect(data, options, name)
    samples = _stacked(found, options, name)
    if found.labels:
        samples = _labeled(samples, _plain_labels(found.labels))
        samples = _with_class_names(samples, getattr(data, "classes", None), found.labels)
    return replace(samples, notes=(*found.notes, *samples.notes))


def _stacked(found: Collector, options: DataConfig, name: str) -> Samples:
    if found.pictures:
        return samples_from_pictures(found.pictures, options, name=name)
    return samples_from_array(found.array(), name=name, options=options)


def _plain_labels(labels: Sequence[Any]) -> np.ndarray:
    return np.array([label.item() if hasattr(label, "item") else label for label in labels])


def _with_class_names(samples: Samples, names: Any, labels: Sequence[Any]) -> Samples:
    """Class names from torchvision's datasets; labels are then indices into that list."""
    listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    values = _plain_labels(labels)
    if not listed or values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= len(names):
        return samples
    return replace(samples, labels=values.astype(np.int64), classes=tuple(names))


def _labeled(samples: Samples, labels: Any) -> Samples:
    values = plain_tensor(labels) if _is_tensor(labels) else np.asarray(labels)
    if samples.ids is not None and len(values) > len(samples) and all(map(str.isdecimal, samples.ids)):
        values = values[np.array(samples.ids, dtype=np.int64)]  # rows with missing values were left out
    if values.ndim != 1 or len(values) != len(samples):
        message = f"{samples.name} holds {len(samples):,} samples, but the labels have shape {values.shape}."
        raise DataError("DATA-COUNT", message, fix="give one label per sample")
    codes, classes = encode_labels(values, name=f"the labels of {samples.name}")
    return replace(samples, labels=codes, classes=classes)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # nobody has a tensor without having imported torch
    return torch is not None and isinstance(value, torch.Tensor)


def _gives_items(value: Any) -> bool:
    """Whether it is a dataset, loader or generator: it can be iterated, or indexed by 0, 1, 2, …"""
    if isinstance(value, str | bytes | Mapping) or hasattr(value, "__array__"):
        return False
    return hasattr(value, "__iter__") or hasattr(value, "__getitem__")


def _is_picture(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)
