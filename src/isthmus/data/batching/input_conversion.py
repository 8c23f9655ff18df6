"""Converts input of any supported kind to one raw tensor, and results back to the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching.preprocess import FULL_SCALE, Preprocess
from isthmus.data.batching.transparency import with_opaque
from isthmus.data.ranges import refuse_other_scale
from isthmus.errors import DataError
from isthmus.wording import counted


class Carrier:
    """`raw` (N, *shape) from `given`, and `back(x)` to convert network output to the kind that was given.

    Accepts NumPy arrays, tensors, lists of them, polars and pandas frames, and a row of a pandas frame; a dict of
    columns and a structured array become a polars frame, and results are polars frames. Columns of frames are found by
    name, and numbers in strings are parsed. Images may be (N, C, H, W), (N, H, W, C), (N, H, W), a single one, or flat
    rows of pixels; results have the same layout. NaN, None and masked values of a table are gaps, which are filled with
    the medians of the training part (`Preprocess.fill`).

    Raises: DataError with the shape found and the shape that the model was trained on, or with the problems of a frame
    by row and column.
    """

    def __init__(self, given: Any, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self.is_tensor = isinstance(given, Tensor)
        self.frame = _frame_of(given)
        self.is_named_row = self.frame is not None and hasattr(given, "to_frame")  # a row of a pandas frame
        values = self._from_frame(self.frame) if self.frame is not None else given
        array = values if isinstance(values, Tensor) else torch.from_numpy(self._array(values))
        tensor = _numbers(array, white=255 if preprocess.is_image else 1)
        self.dtype, self.device = tensor.dtype, tensor.device
        arranged, self._restore = self._arranged(tensor.detach())
        self.raw = self._checked(arranged)

    def _array(self, values: Any) -> np.ndarray:
        try:
            return _array(values)
        except DataError as error:
            if error.code == "DATA-TYPE" and self.preprocess.schema is not None:
                error.fix = "pass a data frame, whose columns are found by name"
            raise

    def _arranged(self, raw: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """As `arrange`; if the model has transparency and the images do not, they count as opaque, and results have no
        transparency.
        """
        known = self.preprocess
        try:
            return arrange(raw, known.raw_shape)
        except DataError as error:
            if not known.alpha:
                raise
            C, H, W = known.shape
            try:
                arranged, restore = arrange(raw, (C - 1, H, W))
            except DataError:
                raise error from None
        white = known.ends[1] if known.ends and raw.dtype.is_floating_point else None
        return with_opaque(arranged, white), lambda t: restore(t[:, :-1])

    def back(self, x: Tensor) -> Any:
        """Network output (N, *shape) in the raw units, type, layout and kind of the input."""
        return self.given_back(self.to_raw(x))

    def to_raw(self, x: Tensor) -> Tensor:
        """Network output (N, *shape) in raw units."""
        # First in the type that was scaled: bytes may have been given in a wider type, where scaling would give 0 to 1.
        scaled_as = self.dtype if self._by_use and not self.dtype.is_floating_point else self.raw.dtype
        return self.preprocess.to_raw(x, scaled_as if self._keeps_type else None)

    def given_back(self, raw: Tensor) -> Any:
        """Raw values (N, *shape) in the type, layout and kind of the input."""
        raw = self._restore(raw)
        raw = raw.to(self.dtype) if self._keeps_type else raw
        if self.frame is not None and self.preprocess.schema is not None:
            from isthmus.data.tables.given_columns import like_given  # late: polars is slow to import

            return self.table(like_given(raw.numpy(force=True), self.preprocess.schema, self.frame))
        if self.frame is not None:
            return self.table(self._plain(raw.flatten(1).numpy(force=True)))
        return raw.to(self.device) if self.is_tensor else raw.cpu().numpy()

    def in_kind(self, values: Tensor, names: Sequence[str]) -> Any:
        """Other values (N, …) in the kind of the input; frames get a column for each of `names`."""
        if self.frame is not None:
            return self._frame(values, names)
        return values.to(self.device) if self.is_tensor else values.cpu().numpy()

    def rows_like(self, raw: np.ndarray) -> Any:
        """Any number of raw rows (M, K) of a table as a frame of the kind of the input, without its index; unchanged if
        the input is not a frame.
        """
        if self.frame is None or raw.ndim != 2:
            return raw
        make: Any = type(self.frame)
        if self.preprocess.schema is not None:
            from isthmus.data.tables import column_types, given_columns  # late: polars is slow to import

            if self.is_named_row and self.preprocess.frame == "pandas":  # a row has no types of columns
                return column_types.trained_frame(raw, self.preprocess.schema, "pandas")
            return make(given_columns.like_given(raw, self.preprocess.schema, self.frame))
        return make(self._plain(raw))

    def _plain(self, raw: np.ndarray) -> dict[str, Any]:
        """Rows (M, K) of numbers from the model, as columns by name, in the types of the frame."""
        from isthmus.data.tables.given_columns import numbers_like  # late: polars is slow to import

        return numbers_like(self.preprocess.cells(raw, [str(column) for column in self.frame.columns]), self.frame)

    @property
    def _keeps_type(self) -> bool:
        return self.preprocess.is_image or self.dtype.is_floating_point

    @property
    def _by_use(self) -> bool:
        """Whether raw values are counts or similar, whose scale does not depend on their type."""
        return self.preprocess.is_image and self.preprocess.offset is not None

    def _checked(self, raw: Tensor) -> Tensor:
        if self._by_use and self.preprocess.ends and raw.numel():
            numbers = raw.to(torch.int32) if raw.dtype == torch.uint16 else raw  # PyTorch cannot compare uint16
            low, high = (float(v) for v in torch.aminmax(numbers))
            refuse_other_scale(self.preprocess.ends, str(raw.dtype).rpartition(".")[2], low, high)
        if self._by_use and not raw.dtype.is_floating_point and raw.dtype not in FULL_SCALE:
            raw = raw.to(torch.float32)
        # Many libraries hold bytes as signed integers, and NumPy often uses wider floats.
        if self.preprocess.is_image and not raw.dtype.is_floating_point and raw.dtype not in FULL_SCALE:
            low, high = (int(v) for v in torch.aminmax(raw)) if raw.numel() else (0, 0)
            if low < 0 or high > 255:
                message = f"integer images have values from {low} to {high}; 0 to 255 are allowed."
                raise DataError("DATA-RANGE", message, fix="pass uint8, uint16, or floats in [0, 1]")
            raw = raw.to(torch.uint8)
        if raw.dtype.is_floating_point:
            raw = raw.to(torch.float64 if self.preprocess.dtype == "float64" else torch.float32)
            self._check_floats(raw)
        if self.preprocess.schema is not None and self.frame is None:  # a frame was read by its columns
            from isthmus.data.tables.cell_conversion import refuse_foreign  # late: polars is slow to import
            from isthmus.data.tables.null_values import blanked_raw

            if any(column.nulls for column in self.preprocess.schema.modeled):
                raw = torch.from_numpy(blanked_raw(raw.numpy(force=True), self.preprocess.schema)).to(raw.device)
            refuse_foreign(raw.numpy(force=True), self.preprocess.schema)
        return raw

    def _check_floats(self, raw: Tensor) -> None:
        fills = self.preprocess.fill is not None or self.preprocess.encoding is not None
        values = raw[~raw.isnan()] if fills else raw  # gaps are filled with medians or encoded
        if not values.numel():
            return
        low, high = (float(v) for v in torch.aminmax(values))
        if not np.isfinite([low, high]).all():
            without = not self.preprocess.is_image and self.preprocess.fill is None
            fix = "remove or replace them" + "; a table model that is trained again fills gaps with medians" * without
            raise DataError("DATA-VALUE", "the input holds NaN or infinite values.", fix=fix)
        if self.preprocess.range and self.preprocess.offset is None and (low < 0 or high > 1):
            message = f"float images have values from {low:g} to {high:g}; 0 to 1 are allowed."
            raise DataError("DATA-RANGE", message, fix="divide by 255 if they were bytes, or pass uint8")

    def _from_frame(self, frame: Any) -> np.ndarray:
        from isthmus.data.tables.given_frames import matrix_by_name, raw_of_frame  # late: polars is slow to import

        known = self.preprocess
        if known.schema is not None:
            return raw_of_frame(frame, known.schema, label=known.label_column, group=known.group_column)
        named = {"label": known.label_column, "group": known.group_column}
        return matrix_by_name(frame, known.columns, **named, gaps=known.fill is not None)

    def _frame(self, values: Tensor, names: Sequence[str]) -> Any:
        """A frame of the kind of the input, with its index if it has one (pandas)."""
        return self.table(dict(zip(names, values.cpu().flatten(1).numpy().T, strict=True)))

    def table(self, columns: dict[str, Any]) -> Any:
        """Columns by name as a frame of the kind of the input, with its index if it has one (pandas)."""
        make: Any = type(self.frame)
        index = getattr(self.frame, "index", None)
        frame = make(columns) if index is None else make(columns, index=index)
        return frame.iloc[0] if self.is_named_row else frame

    def indexed(self, frame: Any) -> Any:
        """A frame with the same number of rows, with the index of the input (pandas)."""
        if hasattr(self.frame, "index"):
            frame.index = self.frame.index
        return frame.iloc[0] if self.is_named_row else frame


def _frame_of(given: Any) -> Any:
    """A frame, or None, without importing polars for arrays and tensors."""
    if isinstance(given, Tensor | list | tuple) or (isinstance(given, np.ndarray) and not given.dtype.names):
        return None
    from isthmus.data.tables.given_frames import as_frame  # late: polars is slow to import

    return as_frame(given)


def _array(values: Any) -> np.ndarray:
    try:
        array = np.asarray(_unmasked(values))
    except ValueError:
        message = "the input is a list of samples of different lengths or shapes."
        raise DataError("DATA-SHAPE", message, fix="give all samples the same shape") from None
    if array.dtype.kind == "O" and array.ndim:  # None among numbers is a gap, which becomes NaN
        array = _floats(array)
    if array.dtype.kind not in "buif":
        held = "strings" if array.dtype.kind in "US" else f"{array.dtype} values"
        raise DataError("DATA-TYPE", f"the input holds {held}, not numbers.", fix="pass numbers")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # the widest in PyTorch
        array = array.astype(np.float64)
    if array.dtype in (np.uint32, np.uint64):
        fits = int(array.max(initial=0)) <= np.iinfo(np.int64).max
        array = array.astype(np.int64 if fits else np.float64)
    return for_torch(array)


def for_torch(array: np.ndarray) -> np.ndarray:
    """The array as PyTorch takes it: contiguous, writable, in the byte order of this machine; a copy only if needed."""
    return np.require(array, dtype=array.dtype.newbyteorder("="), requirements=["C", "W"])


def _floats(objects: np.ndarray) -> np.ndarray:
    """Objects as float64 if they are numbers. Raises: DataError for Python integers that are too large for float64."""
    with suppress(ValueError, TypeError):
        try:
            return objects.astype(np.float64)
        except OverflowError:
            message = "the input holds whole numbers of more than 308 digits."
            raise DataError("DATA-VALUE", message, fix="remove or replace them") from None
    return objects


def _unmasked(values: Any) -> Any:
    """NumPy's masked values as NaN: data behind a mask does not count."""
    if isinstance(values, np.ma.MaskedArray) and values.mask.any():
        return np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    return values


def _numbers(tensor: Tensor, white: int) -> Tensor:
    """Booleans as 0 and `white`, which is white in images and 1 in tables."""
    if tensor.is_complex():
        raise DataError("DATA-TYPE", f"the input holds {tensor.dtype} values.", fix="pass real numbers")
    return tensor.to(torch.uint8) * white if tensor.dtype == torch.bool else tensor


def arrange(raw: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """raw as (N, *shape), and a function that converts a tensor of that form back to the original layout."""
    given = tuple(raw.shape)
    if given[1:] == shape:
        return raw, lambda t: t
    if given == shape:
        return raw[None], lambda t: t[0]
    flat = int(np.prod(shape))
    if len(given) == 2 and given[1] == flat:
        return raw.reshape(-1, *shape), lambda t: t.reshape(len(t), -1)
    if len(given) == 1 and given[0] == flat:
        return raw.reshape(1, *shape), lambda t: t.reshape(-1)
    if len(shape) == 3:
        C, H, W = shape
        if C == 1 and given[1:] == (H, W):
            return raw[:, None], lambda t: t[:, 0]
        if C == 1 and given == (H, W):
            return raw[None, None], lambda t: t[0, 0]
        if given[1:] == (H, W, C):
            return raw.movedim(-1, 1), lambda t: t.movedim(1, -1)
        if given == (H, W, C):
            return raw.movedim(-1, 0)[None], lambda t: t[0].movedim(0, -1)
    raise wrong_shape(given, shape)


def wrong_shape(given: tuple[int, ...], shape: tuple[int, ...]) -> DataError:
    """The error for input of a shape that the model does not take."""
    if len(shape) == 1:
        fix = f"pass {shape[0]} columns, in the order of training"
        return DataError("DATA-SHAPE", f"the input has shape {given}; the model takes (N, {shape[0]}).", fix=fix)
    C, H, W = shape
    form = f"(N, {C}, {H}, {W})" + (f" or (N, {H}, {W})" if C == 1 else f" or (N, {H}, {W}, {C})")
    fix = f"resize the images to {H}x{W} with {counted(C, 'channel')}"
    return DataError("DATA-SHAPE", f"the input has shape {given}; the model takes {form}.", fix=fix)
