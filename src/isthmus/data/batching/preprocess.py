"""What a model must know about raw data: range, size, channels, columns, means; saved with the model.

`Preprocess` converts raw values to network input `x` and back, on any device. The same object is used in training and
afterwards, so a loaded model takes raw images and raw tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from isthmus.data.batching import preprocess_fields, transparency
from isthmus.data.batching.encoding import Encoding, value_names
from isthmus.data.batching.plain_columns import PlainColumns
from isthmus.data.schema import Expected, Schema
from isthmus.data.series_layout import SeriesLayout
from isthmus.errors import DataError
from isthmus.system.device_constants import constant

FULL_SCALE = {torch.uint8: 255.0, torch.uint16: 65535.0}


@dataclass(frozen=True)
class Preprocess:
    """x = (raw - offset) * scale, for samples of `shape` (C, H, W) or (D,).

    `dtype` is the raw type. Images scaled by the range of their type have no offset and scale (None), so every type
    uses its own. If `clips`, x is clipped to `range`; images scaled by the range in use are not clipped.
    `fill` holds the median of each column of a table's training part, in raw units, which replaces NaN; None for
    images, and for older models. `columns` names the columns that a table must have; `label_column` and `classes`
    describe the labels, `group_column` the column that kept rows together.

    `alpha` says that the last channel of images is transparency: invisible colors are 0 in x, and not compared.

    For a table with columns of several kinds, `schema` describes the columns and `encoding` converts them to x: `shape`
    is then the shape of x, and a raw sample has `raw_shape`, with one value per column and NaN for a gap. If samples
    are windows of a series, `series` is set, and `schema` and `encoding` are for whole windows; `frame` as in
    `Samples`. For a table of numbers only, `plain` is the number format of its columns; None for older models.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    range: tuple[float, float] | None = None
    columns: tuple[str, ...] | None = None
    label_column: str | None = None
    group_column: str | None = None
    classes: tuple[str, ...] = ()
    fill: tuple[float, ...] | None = None
    clips: bool = True
    alpha: bool = False

    @property
    def limits(self) -> tuple[float, float] | None:
        """The bounds within which x always lies, or None."""
        return self.range if self.clips else None

    @property
    def count(self) -> float | None:
        """The change of x when a raw value changes by 1; None if that is undefined, as for floats in [0, 1]."""
        if self.scale is not None:
            return self.scale[0] if len(set(self.scale)) == 1 else None
        return {"uint8": 1 / 255, "uint16": 1 / 65535}.get(self.dtype) if self.is_image else None

    @property
    def ends(self) -> tuple[float, float] | None:
        """The raw values of black and white, if they come from the training data; otherwise None."""
        if not self.is_image or self.clips or self.offset is None or self.scale is None:
            return None
        return self.offset[0], self.offset[0] + 1 / self.scale[0]

    def as_kept(self, raw: np.ndarray) -> np.ndarray:
        """Raw images as stored in files: counts that the model gives as floats are rounded to integers."""
        if self.ends is None or self.dtype != "uint16" or raw.dtype.kind != "f":
            return raw
        return raw.round().clip(0, 65535).astype(np.uint16)

    @property
    def stored_as(self) -> dict[str, bool]:
        """Arguments of `saving.save_image` for images from the model."""
        return {"own_scale": self.ends is not None, "alpha": self.alpha}

    @property
    def suffix(self) -> str:
        """The suffix of files for images from the model."""
        is_float = self.ends is not None and self.dtype != "uint16"
        return ".tif" if is_float or self.shape[0] - self.alpha not in (1, 3) else ".png"

    def for_channels(self, C: int) -> Preprocess:
        """The same for images with C channels, if all channels are scaled in the same way."""
        alike = self.offset is None or self.scale is None or len({*zip(self.offset, self.scale, strict=True)}) == 1
        if not alike or self.shape[0] == C:
            return self
        offset, scale = (None if values is None else values[:1] * C for values in (self.offset, self.scale))
        return replace(self, shape=(C, *self.shape[1:]), offset=offset, scale=scale)

    schema: Schema | None = None
    encoding: Encoding | None = None
    series: SeriesLayout | None = None
    frame: str = ""
    plain: PlainColumns | None = None

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """The shape of one raw sample."""
        return self.shape if self.encoding is None else (len(self.encoding.blocks),)

    @property
    def x_names(self) -> tuple[str, ...] | None:
        """The name of each value of x; None for images, and if columns have no names."""
        if self.schema is None or self.encoding is None:
            return self.columns
        pairs = zip(self.schema.modeled, self.encoding.blocks, strict=True)
        return tuple(name for column, block in pairs for name in value_names(column, block))

    @property
    def expected(self) -> Expected | None:
        """The columns of the tables that the model takes; None if they have no names."""
        return self.series.table if self.series else self.columns if self.schema is None else self.schema

    @property
    def of_rows(self) -> Preprocess:
        """The preprocessing of single rows of windows; the same object if samples are not windows."""
        if self.series is None or self.encoding is None:
            return self
        rows, encoding, n = self.series.rows, self.encoding.of_row, self.series.n_columns
        fill = None if self.fill is None else self.fill[:n]
        known: dict[str, Any] = {"shape": (encoding.size,), "columns": rows.names, "schema": rows, "fill": fill}
        return replace(self, **known, encoding=encoding, series=None)

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def size(self) -> int:
        """The number of values in one sample."""
        return math.prod(self.shape)

    @property
    def digits(self) -> Literal["float32", "float64"]:
        """The type in which tables for the model are read; see `DataConfig.digits`."""
        return "float64" if self.dtype == "float64" else "float32"

    @property
    def unit(self) -> str:
        """The name for one value: pixel, value, or column if columns are of several kinds."""
        return "pixel" if self.is_image else "value" if self.encoding is None else "column"

    def to_x(self, raw: Tensor) -> Tensor:
        """float32 network input from raw (B, *shape), with gaps filled. float64 data is scaled in float64, then cast.

        Raises: DataError for gaps that cannot be filled.
        """
        if self.encoding is not None:
            raw = raw.to(torch.float64)
            return self.encoding.to_x(raw if self.fill is None else self._without_gaps(raw))
        x = self._scaled(raw)
        return transparency.cleared(x, self.shape[0], self._nothing) if self.alpha else x

    def _scaled(self, raw: Tensor) -> Tensor:
        x = raw.to(self._working)
        if raw.dtype.is_floating_point:
            x = self._without_gaps(x)
        if self.offset is None or self.scale is None:
            full = FULL_SCALE.get(raw.dtype)
            return x.mul_(1 / full) if full else x.to(torch.float32)
        x = (x - self._constant(self.offset, x)) * self._constant(self.scale, x)
        x = x.clamp_(*self.limits) if self.limits else x  # new data may reach a little beyond the training data's
        return x.to(torch.float32)

    def _without_gaps(self, x: Tensor) -> Tensor:
        if self.fill is not None:
            return torch.where(x.isnan(), self._constant(self.fill, x), x)
        # An exported graph cannot depend on values; input through Python is always checked.
        if not torch.compiler.is_exporting() and x.numel() and bool(torch.aminmax(x).min.isnan()):
            message = (
                f"{int(x.isnan().sum()):,} of {x.numel():,} values are NaN, and the model has no medians to fill them."
            )
            raise DataError("DATA-VALUE", message, fix="remove or replace them")
        return x

    def to_raw(self, x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Raw values of `dtype` (default: floats in raw units, float64 if the data is float64) from network output;
        integers are rounded and clipped to their range.
        """
        if self.encoding is not None:
            return self.encoding.to_raw(x).to(dtype or torch.float64)
        x = x.to(self._working) if self._working == torch.float64 else x
        if self.offset is not None and self.scale is not None:
            x = x / self._constant(self.scale, x) + self._constant(self.offset, x)
        elif dtype in FULL_SCALE:
            x = x * FULL_SCALE[dtype]
        if dtype is None or dtype.is_floating_point:
            return x.to(dtype or self._working)
        info = torch.iinfo(dtype)
        return x.round().clamp(info.min, info.max).to(dtype)

    @property
    def _working(self) -> torch.dtype:
        """The type for conversions between raw values and x."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def _constant(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        found = constant(values, like.dtype, like.device).repeat(like.shape[1] // len(values))  # pairs have both halves
        return found if not self.is_image else found.reshape(-1, 1, 1)

    def known_only(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """x_hat, replaced by x where x has gaps or is invisible, so that nothing is compared there."""
        if self.alpha:
            return transparency.seen_only(x, x_hat, self._nothing)
        return x_hat if self.encoding is None else self.encoding.known_only(x, x_hat)

    @property
    def _nothing(self) -> float:
        """The value of x for full transparency."""
        return 0.0 if self.offset is None or self.scale is None else -self.offset[-1] * self.scale[-1]

    def weights(self, x: Tensor) -> Tensor | None:
        """The weight of each value of x (N, C, H, W), 1 in the mean of each sample; None for equal weights."""
        return transparency.weights(x, self._nothing) if self.alpha else None

    def shares(self, x: Tensor) -> Tensor | None:
        """The fraction of values in each sample with nonzero weight, (N,) float64 on the CPU; None if all have it."""
        return transparency.seen_share(x, self._nothing) if self.alpha else None

    def evened(self, x: Tensor) -> Tensor:
        """x (B, D) on the scale for reporting squared errors: a column with several values counts only once."""
        return x if self.encoding is None else self.encoding.evened(x)

    def by_column(self, values: Tensor) -> Tensor:
        """Values of x (N, D) summed by column, (N, K)."""
        return values if self.encoding is None else self.encoding.by_column(values)

    def cells(
        self, raw: np.ndarray, names: Sequence[str] | None = None, *, made: bool = True, typed: bool = False
    ) -> dict[str, Any]:
        """Raw samples (N, *raw_shape) as columns of a table by name; `names` are used if the model has none. With a
        schema, values are written as in the data; if the model `made` them, they get the digits of the training data.
        `typed` says that a file keeps types: columns of several kinds are then polars columns of the original types.
        """
        flat = raw.reshape(len(raw), -1)
        if self.schema is not None:
            from isthmus.data.tables import cell_conversion, column_types  # late: polars is slow to import

            made_of = column_types.typed_cells if typed else cell_conversion.to_cells
            return dict(made_of(flat, self.schema))
        names = self.columns or names or tuple(f"{self.unit}{i}" for i in range(self.size))
        if self.plain is not None and made:
            return self.plain.columns(flat, names)
        return {name: flat[:, i] for i, name in enumerate(names)}

    def as_dict(self) -> dict[str, Any]:
        """The form that is saved with a model; unset `schema`, `encoding`, `alpha` etc. are left out, as before they
        existed.
        """
        later = {"schema": None, "encoding": None, "alpha": False, "series": None, "frame": "", "plain": None}
        kept = asdict(replace(self, encoding=None))
        about = {k: v for k, v in kept.items() if k not in later or v != later[k]}
        if self.series is not None:  # it contains the columns of its windows
            about |= {"columns": None, "schema": None}
        return about | ({} if self.encoding is None else {"encoding": self.encoding.as_dict()})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Inverse of `as_dict`, for values from an untrusted file.

        Raises: ValueError for impossible values; TypeError for unknown names.
        """
        found = cls(**preprocess_fields.restored(values))
        preprocess_fields.check(vars(found), found.raw_shape)
        return found
