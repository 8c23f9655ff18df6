"""Replaces a resident tensor if samples stay on disk: reads samples on access."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.stored_rows import StoredRows

CPU = torch.device("cpu")


class StreamedTensor:
    """Samples (N, ...) in the form of `batches.resident`: bytes unchanged, others as x.

    A slice of all rows with a step, `data[::10]`, is a `StreamedTensor` again; any other index gives a tensor.
    """

    def __init__(self, data: StoredRows, preprocess: Preprocess) -> None:
        self.data, self.preprocess = data, preprocess

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape if self.dtype == torch.uint8 else (len(self), *self.preprocess.shape)

    @property
    def dtype(self) -> torch.dtype:
        return torch.uint8 if self.data.dtype == np.uint8 else torch.float32

    @property
    def device(self) -> torch.device:
        return CPU

    def numel(self) -> int:
        return math.prod(self.shape)

    def split(self, n: int) -> Iterator[Tensor]:
        """Tensors of n samples one after the other; the last may hold fewer."""
        return (self[at : at + n] for at in range(0, len(self), n))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.start is None and key.stop is None:
            return StreamedTensor(self.data.part(np.arange(len(self))[key]), self.preprocess)
        raw = torch.from_numpy(np.atleast_1d(self.data[key.cpu().numpy() if isinstance(key, Tensor) else key]))
        one = isinstance(key, int)
        raw = raw[None] if one else raw
        found = raw if raw.dtype == torch.uint8 else self.preprocess.to_x(raw)
        return found[0] if one else found


__all__ = ["StreamedTensor"]
