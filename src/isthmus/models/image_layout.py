"""Converts images of any size and layout to network input (N, C, H, W), and back to the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.input_conversion import Carrier, for_torch
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.transparency import with_opaque
from isthmus.errors import DataError
from isthmus.wording import counted

MOST_CHANNELS = 4  # largest last axis that is interpreted as channels if the layout is ambiguous


class ImageLayout:
    """`raw` (N, C, H, W) of `given`, `to_x` and `to_raw` for parts of it, and `back(raw)` in the kind of `given`.

    The input is converted part by part, so that a photograph of any size needs little more memory than itself.

    Raises: DataError for input that is not images, or whose channels do not fit the model.
    """

    def __init__(self, given: Any, preprocess: Preprocess) -> None:
        array = given if isinstance(given, Tensor) else _numbers(given)
        arranged, self._restore = self._with_alpha(array, preprocess)
        if 0 in arranged.shape[1:]:
            message = f"the input has shape {tuple(array.shape)}, so its images have no pixels."
            raise DataError("DATA-SHAPE", message, fix="pass images with at least one pixel")
        fitting = replace(preprocess.for_channels(arranged.shape[1]), shape=tuple(arranged.shape[1:]))
        self._carrier = Carrier(arranged if isinstance(given, Tensor) else arranged.numpy(), fitting)
        self.raw, self.to_x, self.to_raw = self._carrier.raw, fitting.to_x, self._carrier.to_raw

    @staticmethod
    def _with_alpha(array: Tensor, preprocess: Preprocess) -> tuple[Tensor, Callable[[Any], Any]]:
        """For a model with transparency, images without it are made opaque, and are returned without it."""
        C = preprocess.shape[0]
        sides = array.shape[-3:]
        if not preprocess.alpha or C in sides or (C > 2 and C - 1 not in sides):
            return _arranged(array, C)
        arranged, restore = _arranged(array, C - 1)
        return with_opaque(arranged, None), lambda t: restore(t[:, :-1])

    def back(self, raw: Tensor) -> Any:
        """Raw values (N, C, H, W) in the type, layout and kind of the input."""
        return self._restore(self._carrier.given_back(raw))


def _numbers(given: Any) -> Tensor:
    """The input, which is not a tensor, as one; an array keeps its memory if possible."""
    try:
        array = np.asarray(given)
    except ValueError:  # nested lists of several lengths
        message = "the input contains images of several sizes."
        raise DataError("DATA-SHAPE", message, fix="denoise them one at a time") from None
    if array.dtype.kind not in "buif":
        message = f"the input is of type {type(given).__name__}, and does not contain only real numbers."
        raise DataError("DATA-TYPE", message, fix="pass arrays or tensors of numbers, not paths")
    return torch.from_numpy(for_torch(array))


def _arranged(array: Tensor, C: int) -> tuple[Tensor, Callable[[Any], Any]]:
    """(N, C, H, W), and the inverse function. A gray network takes any number of channels, a color one C or 1."""
    n = array.ndim
    if n == 2:
        return array[None, None], lambda t: t[0, 0]
    if n == 3 and array.shape[2] <= MOST_CHANNELS and array.shape[2] in {1, C, *((2, 3, 4) if C == 1 else ())}:
        return array.movedim(2, 0)[None], lambda t: _moved(t[0], 0, 2)
    if n == 3 and array.shape[0] in {1, C}:
        return array[None], lambda t: t[0]
    if n == 3 and C == 1:
        return array[:, None], lambda t: t[:, 0]
    if n == 4 and (array.shape[1] in {1, C} or (C == 1 and array.shape[3] > MOST_CHANNELS)):
        return array, lambda t: t
    if n == 4 and (array.shape[3] in {1, C} or C == 1):
        return array.movedim(3, 1), lambda t: _moved(t, 1, 3)
    wanted = "(H, W), (N, H, W), (N, 1, H, W)" if C == 1 else f"(H, W, {C}), (N, {C}, H, W) or (N, H, W, {C})"
    message = (
        f"the input has shape {tuple(array.shape)}, but the denoiser takes images of {counted(C, 'channel')}: {wanted}."
    )
    raise DataError("DATA-SHAPE", message, fix="rearrange the images to such a shape")


def _moved(values: Any, source: int, target: int) -> Any:
    return values.movedim(source, target) if isinstance(values, Tensor) else np.moveaxis(values, source, target)
