"""Writes samples from a model to files: an array, a table, one image, or a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.images.saving import image_paths, lossless_path, save_image, save_images
from isthmus.data.samples import Samples
from isthmus.data.tables.writing import about_formulas, keeps_types, write_table
from isthmus.errors import UsageError
from isthmus.runs.folder import RunFolder
from isthmus.system.files import write_atomic
from isthmus.system.outputs import claimed, refuse_existing, refuse_inputs
from isthmus.tools.inference.frame_saving import save_frames
from isthmus.tools.inference.written import TABLES, Written
from isthmus.wording import counted


def write_samples(run: RunFolder, samples: Samples, raw: Any, out: Path, source: Path) -> Written:
    """Writes raw samples to `out`: .npy, a table, one image file, or a folder of images with their own names."""
    raw, said = np.asarray(raw), samples.notes
    if out.suffix == ".npy":
        ordered = _in_order_of(source, raw)
        write_atomic(out, lambda part: np.save(part, ordered, allow_pickle=False))
        return Written(out, len(raw), said)
    if out.suffix in TABLES:
        labels = {}
        if samples.labels is not None and samples.label_column:
            labels = {samples.label_column: samples.all_labels()}
        columns = labels | run.model.preprocess.cells(raw, samples.columns, typed=keeps_types(out))
        write_table(out, columns)
        return Written(out, len(raw), (*said, *about_formulas(out, columns)))
    if not samples.is_image:
        raise UsageError(
            "USAGE-OUT",
            f"a table cannot be written as {out.suffix or 'a folder'}.",
            fix="name a .csv or .parquet file with -o",
        )
    stored_as, raw = run.model.preprocess.stored_as, run.model.preprocess.as_kept(raw)
    if out.suffix and len(raw) == 1 and not source.is_dir():
        target = lossless_path(out, raw[0], **stored_as)
        refuse_inputs(target, source)
        refuse_existing(target, out)
        return Written(save_image(out, raw[0], **stored_as), 1, said)
    if saved := save_frames(run.model.preprocess, samples, raw, out, source):
        return Written(saved, len(raw), said)
    if out.suffix and not out.is_dir():
        many = f"{counted(len(raw), 'image')} cannot be written into one {out.suffix} file."
        message = many if len(raw) > 1 else f"{source} is a folder, so the result is not a single {out.suffix} file."
        raise UsageError("USAGE-OUT", message, fix="name a folder, a .npy or a .csv file with -o")
    ids = samples.all_ids()
    names = [name if Path(name).suffix else f"{name}.png" for name in ids]
    with claimed(out, image_paths(out, raw, names, **stored_as)):
        saved = save_images(out, raw, names, **stored_as)
    return Written(out, len(raw), (*said, *saved.notes))


def _in_order_of(source: Path, raw: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W), with channels last if the source array has them last."""
    if raw.ndim != 4 or source.suffix != ".npy" or not source.is_file():
        return raw
    last, given = np.moveaxis(raw, 1, -1), np.load(source, mmap_mode="r", allow_pickle=False).shape
    return last if given != raw.shape and given in {last.shape, last.shape[1:]} else raw


__all__ = ["write_samples"]
