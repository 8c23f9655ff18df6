"""Reads new data in the form that a trained model takes: like its training data, with columns and channels in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.value_checks import refuse_other_values
from isthmus.data.images.channels import in_color, with_opacity
from isthmus.data.samples import Bundle, Samples
from isthmus.data.series.series_reading import known_series
from isthmus.data.series.series_rows import SeriesRows
from isthmus.data.series.windowing import first_rows, window_samples
from isthmus.data.series_layout import SeriesLayout
from isthmus.data.tables.columns import OTHER_TABLE, match_columns
from isthmus.data.whole_samples import cut_anew
from isthmus.errors import DataError, UsageError
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import count, tell
from isthmus.wording import counted, printable


def read_input(
    run: RunFolder, source: str | Path, settings: Mapping[str, Any] | None = None, target: Any = None
) -> Samples:
    """Reads `source` like the run's training data and converts it to the form that the model takes. With `target`, the
    desired output, the result has pairs of both.

    Table columns are matched by name. Gray images are converted for a color model and vice versa; the notes say so.
    `settings` are reading options that override those of the training, such as `{"resize": "28"}`.

    Raises: DataError with a fix for other sizes or columns.
    """
    return fitting(_read(run, source, settings, target), run.model.preprocess)


def _read(run: RunFolder, source: str | Path, settings: Mapping[str, Any] | None, target: Any = None) -> Samples:
    from isthmus.data.read import read_samples

    with _knowing(run, settings):
        tell(f"reading {source}")
        found = read_samples(str(source), reading_options(run, settings), count, expected=run.model.preprocess.expected)
        found = _with_target(run, found, settings, target)
    _refuse_without_group(found, settings)
    return found


def read_rows(run: RunFolder, source: Any, settings: Mapping[str, Any] | None = None) -> SeriesRows:
    """The rows of a series, in a file or a Python object, for a run that was trained on windows.

    Raises: like `read_input` and `in_order`.
    """
    layout = run.model.preprocess.series
    assert layout is not None
    is_file = isinstance(source, str | Path)
    table = _read(run, source, settings) if is_file else _of_object(run, source, settings)
    return known_series(table, layout).rows


def read_parts(run: RunFolder, source: str | Path, settings: Mapping[str, Any] | None = None) -> Bundle:
    """Like `read_input`, but with both parts if `source` has a training and a test part; otherwise all is `train`."""
    from isthmus.data.read import read

    with _knowing(run, settings):
        tell(f"reading {source}")
        found = read(str(source), reading_options(run, settings), count, expected=run.model.preprocess.expected)
    _refuse_without_group(found.train, settings)
    preprocess = run.model.preprocess
    return Bundle(fitting(found.train, preprocess), None if found.test is None else fitting(found.test, preprocess))


def raw_of(run: RunFolder, given: Any) -> np.ndarray:
    """Raw samples (N, *shape) of anything that `Model.encode` takes, with its checks of names, ranges, types and gaps.

    Raises: DataError like `Model.encode`.
    """
    return Carrier(given, run.model.preprocess).raw.cpu().numpy()


def any_samples(run: RunFolder, data: Any, settings: Mapping[str, Any] | None = None) -> Samples:
    """Samples of anything that `Model.encode` or `read_object` takes; data frames and pairs bring their labels.

    Raises: like `raw_of` and `read_given`.
    """
    is_array = hasattr(data, "__array__") and not hasattr(data, "columns") and not _has_names(data)
    return Samples(raw_of(run, data), "the data") if is_array else read_given(run, data, settings)


def _has_names(data: Any) -> bool:
    return bool(getattr(getattr(data, "dtype", None), "names", None))


def read_given(run: RunFolder, data: Any, settings: Mapping[str, Any] | None = None, target: Any = None) -> Samples:
    """Like `read_input`, for a Python object that `read_object` takes; uses its test part if it has one."""
    return fitting(_of_object(run, data, settings, target), run.model.preprocess)


def _of_object(run: RunFolder, data: Any, settings: Mapping[str, Any] | None, target: Any = None) -> Samples:
    from isthmus.data.objects import read_object

    try:
        with _knowing(run, settings):
            found = read_object(data, reading_options(run, settings), expected=run.model.preprocess.expected)
            return _with_target(run, found.test or found.train, settings, target)
    except DataError as error:
        if error.code == "DATA-MISSING":
            error.fix = 'pass settings={"missing": "drop"}, or "median" to fill gaps with medians of the training data'
        raise


def _with_target(run: RunFolder, found: Samples, settings: Mapping[str, Any] | None, target: Any) -> Samples:
    if target is None:
        return found
    from isthmus.data.pairs.targets import read_targets

    targets = read_targets(reading_options(run, settings), target, expected=run.model.preprocess.columns)
    return found if targets is None else targets.of(found)


def _refuse_without_group(samples: Samples, settings: Mapping[str, Any] | None) -> None:
    """The group column of the training may be absent, but one that the user names must exist."""
    group = (settings or {}).get("group")
    if group is not None and samples.group_column is None:
        message = f'{samples.display_name} has no column "{printable(group)}" for --group.'
        raise DataError("DATA-COLUMNS", message, fix="name a column that it has, or leave --group out")


def reading_options(run: RunFolder, settings: Mapping[str, Any] | None) -> DataConfig:
    """The reading options of the training data, overridden by `settings`."""
    whole = {"limit": None, "validation": None, "test": None, "target": None}
    whole |= {"stream": "auto", "buffer": None, "held": None, "memory": None}
    if (settings or {}).get("scale", run.config.data.scale) != run.config.data.scale:
        message = f"--scale cannot be changed: the model scales its input as in training ({run.config.data.scale})."
        raise UsageError("USAGE-SCALE", message, fix="leave --scale out, or train a new run with it")
    given = dict(settings or {})
    words = given.get("null_values", ())
    words = (words,) if isinstance(words, str) else words
    given["null_values"] = (*run.config.data.null_values, *words)  # those of training still apply
    return replace(run.config.data, **whole | _reading(run.model.preprocess) | given)


@contextmanager
def _knowing(run: RunFolder, settings: Mapping[str, Any] | None) -> Iterator[None]:
    """Improves errors with what the run knows: the image size that the model needs, or the table it was trained on."""
    try:
        yield
    except DataError as error:
        if error.code == "DATA-SIZE" and run.model.preprocess.is_image:
            H, W = run.model.preprocess.shape[1:]
            error.fix = f"pass --resize {H}x{W}, the size that the model was trained on"
        if error.code == "DATA-BANDS":
            _name_channels(error, run.model.preprocess, asked=bool((settings or {}).get("gray")))
        if error.code in {"DATA-ROW", "DATA-TYPE"} and "--drop-column" in str(error.fix):  # the model needs the column
            error.fix = _as_in_training(error)
        if error.code == "DATA-COLUMNS" and error.fix == OTHER_TABLE:
            error.fix = f"{OTHER_TABLE}, which was on {printable(run.config.data.source)}"
        raise


def _as_in_training(error: DataError) -> str:
    """The fix for text in columns that the model takes."""
    if error.wanted & {"time", "yes or no"}:
        return "write these columns in the same format as in training"
    return "put numbers into these columns; the model takes them"


def _name_channels(error: DataError, preprocess: Preprocess, *, asked: bool) -> None:
    """For images with the wrong number of bands: the fix names the number that the model takes."""
    if not asked:  # gray comes from the model; the user did not type --gray
        error.message = error.message.replace("--gray converts RGB to gray", "the model takes gray images")
    error.fix = f"use images with {counted(preprocess.shape[0], 'channel')}, like the training images"


def _reading(preprocess: Preprocess) -> dict[str, Any]:
    """Reading options that follow from the model's input."""
    if not preprocess.is_image:
        series = preprocess.series
        known = {} if series is None else {"window": series.window, "stride": series.stride, "time": series.time}
        return {"label": preprocess.label_column, "digits": preprocess.digits} | known
    C, H, W = preprocess.shape
    pixels = (
        {"shape": f"{H}x{W}" + (f"x{C}" if C > 1 else ""), "label": preprocess.label_column}
        if preprocess.columns
        else {}
    )
    return {"gray": C - preprocess.alpha == 1, "range": "data" if preprocess.ends else "type"} | pixels


def fitting(samples: Samples, preprocess: Preprocess) -> Samples:
    """The samples with the column order and the number of channels that the model takes.

    Raises: DataError if that would change the data further.
    """
    if preprocess.series is not None:
        return _windows(samples, preprocess.series)
    if preprocess.columns is not None and samples.columns is not None:
        order = match_columns(
            samples.columns, preprocess.columns, label=preprocess.label_column, name=samples.display_name
        )
        if not samples.is_image and samples.columns != preprocess.columns:
            samples = replace(samples.changed(lambda x: x[:, order]), columns=preprocess.columns)
    if preprocess.is_image:
        refuse_other_values(samples, preprocess)
        samples = cut_anew(samples, preprocess.shape[1])
    given, wanted = samples.shape, preprocess.raw_shape
    if len(given) != len(wanted):
        kinds = {1: "rows of a table", 3: "images"}
        message = f"{samples.display_name} has {kinds[len(given)]}, but the model was trained on {kinds[len(wanted)]}."
        raise DataError("DATA-SHAPE", message, fix="name data of the same kind as the training data")
    if len(given) == 3 and given[1:] == wanted[1:]:
        samples = _with_channels(samples, preprocess)
        given = samples.shape
    if given != wanted:
        raise _other_shape(samples.display_name, given, wanted)
    _refuse_unfillable(samples, preprocess)
    return samples


def _windows(table: Samples, layout: SeriesLayout) -> Samples:
    """The windows of a series as samples. Raises: DataError if there are none."""
    rows = known_series(table, layout).rows
    first = first_rows(rows.stretches, layout.window, layout.cover)
    if not len(first):
        message = (
            f"{table.display_name} has no {layout.window:,} consecutive rows for a window; the longest stretch has "
            f"{rows.longest:,}."
        )
        raise DataError("DATA-COUNT", message, fix="add rows; `isthmus score` also takes shorter stretches")
    return window_samples(rows, first, layout)


def _with_channels(samples: Samples, preprocess: Preprocess) -> Samples:
    """Gray images become color images for a color model, and opaque ones for a model with transparency."""
    bands, wanted = samples.shape[0] - samples.alpha, preprocess.shape[0] - preprocess.alpha
    if bands == 1 and wanted == 3:
        samples = in_color(samples)
    lacks = preprocess.alpha and not samples.alpha and samples.shape[0] == wanted
    return with_opacity(samples) if lacks else samples


def _refuse_unfillable(samples: Samples, preprocess: Preprocess) -> None:
    """Raises: DataError for gaps in a table if the model is from an earlier version and has no medians."""
    if (
        samples.is_image
        or preprocess.fill is not None
        or preprocess.encoding is not None
        or samples.x.dtype.kind != "f"
    ):
        return
    gaps = np.isnan(samples.x)
    rows = int(gaps.any(1).sum())
    if not rows:
        return
    message = (
        f"{samples.display_name}: {counted(int(gaps.sum()), 'missing value')}, and this model, from an older version, "
        "has no medians to fill in."
    )
    whole = rows < len(samples)
    left_out = f"pass --missing drop ({rows:,} of {len(samples):,} rows left out), or "
    raise DataError("DATA-MISSING", message, fix=f"{left_out * whole}train the model again: models now store medians")


def _other_shape(name: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> DataError:
    if len(wanted) == 1:
        message = f"{name} has {counted(given[0], 'column')}; the model was trained on {wanted[0]:,}."
        fix = "use the same columns" + ", or leave some out with --drop-column" * (given[0] > wanted[0])
        return DataError("DATA-SHAPE", message, fix=fix)
    channels = [f" with {counted(C, 'channel')}" * (given[0] != wanted[0]) for C, _, _ in (given, wanted)]
    sizes = [f"{H}x{W}{said}" for (_, H, W), said in zip((given, wanted), channels, strict=True)]
    from isthmus.data.images.reading_fix import fix_for_model

    fix = fix_for_model(given, wanted)
    return DataError("DATA-SHAPE", f"{name} has images of {sizes[0]}; the model was trained on {sizes[1]}.", fix=fix)


__all__ = ["fitting", "raw_of", "read_given", "read_input", "read_parts", "read_rows", "reading_options"]
