"""Collects the items of a dataset or the batches of a loader into one array and a list of labels."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from PIL import Image

from isthmus.config import DataConfig
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.system.memory import SHARE, available_bytes, size_of

SAMPLE_KEYS = ("image", "img", "pixel_values", "x", "input", "data", "features")  # in dataset items that are mappings
LABEL_KEYS = ("label", "labels", "y", "target", "class")
MOST_ITEMS = 20_000_000  # an iterable without a length that gives more is treated as endless
ROOM = 4  # an iterable without a length is read up to this many times --limit, so that the split leaves enough
CHECK = 1000  # items between memory checks
LARGE = 1 << 30  # bytes above which memory is checked after every item


class Collector:
    """Collected samples and labels. Samples are either all arrays of one shape, or all images."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[np.ndarray] = []
        self.pictures: list[Image.Image] = []
        self.labels: list[Any] = []
        self.notes: list[str] = []
        self.n = self.n_bytes = 0
        self._unlabeled = False

    def add(self, item: Any, *, batch: bool) -> None:
        """Adds an item or a batch: a sample, (sample, label, …) or a mapping. Raises: DataError for other shapes."""
        x, y = _divided(item)
        if isinstance(x, Image.Image):
            self._refuse_mixture(bool(self.parts))
            self.pictures.append(x.copy())
            count, size = 1, x.width * x.height * len(x.getbands())
        else:
            part = _values(x, self.name)
            part = part if batch else part[None]
            self._refuse_mixture(bool(self.pictures))
            self._refuse_other_shape(part)
            self.parts.append(part)
            count, size = len(part), part.nbytes
        self._add_labels(y, count, batch)
        self.n += count
        self.n_bytes += size

    def array(self) -> np.ndarray:
        """All samples, (N, …). The collected parts are released."""
        if not self.parts:
            raise DataError("DATA-EMPTY", f"{self.name} gave no samples.", fix="pass at least two samples")
        parts, self.parts = self.parts, []
        return np.concatenate(parts)

    def _add_labels(self, y: Any, count: int, batch: bool) -> None:
        labels = _labels(y, count, batch)
        if labels is None:
            if y is not None and not self._unlabeled:
                self.notes.append(f"{self.name}: the samples do not come with one class each; no labels are used.")
            self._unlabeled = True
            self.labels = []
        elif not self._unlabeled:
            self.labels += labels

    def _refuse_mixture(self, other: bool) -> None:
        if other:
            message = f"{self.name} mixes arrays and images (sample {self.n})."
            raise DataError("DATA-TYPE", message, fix="use one kind of sample")

    def _refuse_other_shape(self, part: np.ndarray) -> None:
        if self.parts and part.shape[1:] != self.parts[0].shape[1:]:
            first, here = self.parts[0].shape[1:], part.shape[1:]
            message = f"{self.name}: sample {self.n} has shape {here}, but earlier ones have {first}."
            raise DataError("DATA-SHAPE", message, fix="give all samples the same shape")


def collect(data: Any, options: DataConfig, name: str) -> Collector:
    """All items of `data`, read once.

    An iterable without a length is read to its end, or up to `ROOM` times `options.limit`.

    Raises: ResourceError if it does not end before memory or `MOST_ITEMS` is used up.
    """
    found = Collector(name)
    batch = _gives_batches(data)
    known = _length(data)
    most = ROOM * options.limit if options.limit is not None and known is None else None
    free = available_bytes()
    with _own_randomness():
        for seen, item in enumerate(_items(data, name), start=1):
            found.add(item, batch=batch)
            if most is not None and found.n >= most:
                found.notes.append(f"{name} has no length; only {found.n:,} samples are read, because --limit is set.")
                break
            if seen % CHECK == 0 or found.n_bytes > LARGE:
                _refuse_endless(found, free, known)
    return found


def _own_randomness() -> AbstractContextManager[Any]:
    """Loaders draw from PyTorch's global generator even when they do not shuffle; its state is restored afterwards."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.random.fork_rng(devices=[])


def _refuse_endless(found: Collector, free: int | None, known: int | None) -> None:
    too_large = free is not None and 2 * found.n_bytes > SHARE * free  # the parts, and the array made from them
    if too_large or (known is None and found.n > MOST_ITEMS):
        room = f"; {size_of(free)} of memory were free" if free is not None else ""
        message = f"{found.name} gave {found.n:,} samples ({size_of(found.n_bytes)}) and has not ended{room}."
        fix = "pass fewer samples, or set a limit" if known is None else "pass fewer samples, or a memory map"
        raise ResourceError("RESOURCE-MEMORY", message, fix=fix)


def _items(data: Any, name: str) -> Iterator[Any]:
    """The items in order; a map-style dataset is read by index, since iterating over it may never stop."""
    if hasattr(data, "__iter__") and not _is_map_style(data):
        return iter(data)
    n = _length(data)
    if n is None:
        message = f"{name} is a dataset without a length."
        raise UsageError("USAGE-OBJECT", message, fix="give it __len__, or make it a torch IterableDataset")
    return (data[i] for i in range(n))


def _is_map_style(data: Any) -> bool:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(data, torch.utils.data.Dataset):
        return False
    return not isinstance(data, torch.utils.data.IterableDataset)


def _gives_batches(data: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(data, torch.utils.data.DataLoader) and data.batch_sampler is not None


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def _divided(item: Any) -> tuple[Any, Any]:
    """A sample, and its label or None."""
    if isinstance(item, Mapping):
        return _from_mapping(item)
    if isinstance(item, list | tuple) and len(item) and not isinstance(item[0], int | float | list):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _from_mapping(item: Mapping[str, Any]) -> tuple[Any, Any]:
    x = next((key for key in SAMPLE_KEYS if key in item), None)
    if x is None:
        message = f"the items are mappings with the keys {', '.join(map(repr, item))}, and none is known for samples."
        raise DataError("DATA-KEY", message, fix=f"use one of these keys for samples: {', '.join(SAMPLE_KEYS)}")
    return item[x], next((item[key] for key in LABEL_KEYS if key in item), None)


def plain_tensor(tensor: Any) -> np.ndarray:
    """A tensor's values on the CPU; types that NumPy does not have become float32."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16 and the 8-bit floats
        return tensor.float().numpy()


def _values(x: Any, name: str) -> np.ndarray:
    values = plain_tensor(x) if hasattr(x, "detach") and hasattr(x, "cpu") else np.asarray(x)
    if values.dtype.kind not in "biuf":
        message = f"{name}: a sample is a {type(x).__name__} of {values.dtype}, not numbers or an image."
        raise DataError("DATA-TYPE", message, fix="give arrays, tensors or Pillow images, or (sample, label)")
    return values


def _labels(y: Any, count: int, batch: bool) -> list[Any] | None:
    """`count` labels, or None if there are none or they are not one per sample."""
    if y is None:
        return None
    if not batch:
        return [y] if math.prod(getattr(y, "shape", ())) == 1 and not isinstance(y, list | tuple | dict) else None
    values = list(y) if isinstance(y, list | tuple) else list(plain_tensor(y) if hasattr(y, "cpu") else np.asarray(y))
    return values if len(values) == count and all(np.ndim(value) == 0 for value in values) else None
