"""Samples with their codes, from the run's own data or from other data, for the tools that explore codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from matplotlib.figure import Figure

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import align_labels
from isthmus.data.labels import evenly
from isthmus.data.samples import Samples
from isthmus.data.tables.writing import write_table
from isthmus.errors import UsageError
from isthmus.evaluation.figures.canvas import save
from isthmus.evaluation.figures.data_pictures import shown
from isthmus.randomness import seed_of
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import refuse_without_code
from isthmus.system.progress import tell
from isthmus.tools.inference.intake import any_samples, read_parts
from isthmus.tools.inference.picking import parted, pick
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.wording import counted

Settings = Mapping[str, Any]
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Coded:
    """Samples and their codes `z` (N, Z)."""

    samples: Samples
    z: np.ndarray
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.z)

    @cached_property
    def x(self) -> np.ndarray:
        """The samples as rows (N, D) of network input; bytes stay bytes, which takes a quarter of the memory."""
        raw = self.samples.x
        values = raw if raw.dtype == np.uint8 else self.preprocess.to_x(torch.from_numpy(np.array(raw))).numpy()
        return values.reshape(len(raw), -1)

    def rms(self, distances: np.ndarray | float) -> Any:
        """Distances between rows of x as root mean square differences per value; for images in the range [0, 1]."""
        full = 255.0 if self.x.dtype == np.uint8 else 1.0
        return distances / (full * self.x.shape[1] ** 0.5)

    def label(self, row: int) -> str | None:
        """The class name of a sample, or None."""
        s = self.samples
        return None if s.labels is None or s.labels[row] < 0 else s.classes[s.labels[row]]


def coded(run: RunFolder, samples: Samples) -> Coded:
    """Samples, in the form that the run's model takes, with their codes.

    Raises: UsageError if the model has no code.
    """
    refuse_without_code(run.model)
    tell(f"encoding {counted(len(samples), 'sample')}")
    return Coded(samples, np.asarray(run.coder.encode(samples.x)).reshape(len(samples), -1), run.model.preprocess)


def one_set(run: RunFolder, source: Any, settings: Settings | None = None, *, part: str = "test") -> Samples:
    """The samples of `source` (as for `picked`), or by default a part of the run's own data.

    Raises: DataError if the run's data can no longer be read, or other data does not fit the model.
    """
    refuse_without_code(run.model)
    return _own(run, part) if source is None else picked(run, source, settings)


def _own(run: RunFolder, part: str) -> Samples:
    """A part of the run's own data, without the notes from before the training."""
    return replace(getattr(run.prepared.splits, part), notes=())


def picked(run: RunFolder, source: Any, settings: Settings | None = None) -> Samples:
    """The samples that a text or path names (`picking.pick`), or in a Python object (`intake.any_samples`)."""
    named = isinstance(source, str | Path)
    return pick(run, source, settings) if named else any_samples(run, source, settings)


def all_parts(run: RunFolder, source: Any, settings: Settings | None = None) -> dict[str, Samples]:
    """All samples of `source`, or of the run's own data, by part. Raises: like `one_set`."""
    refuse_without_code(run.model)
    if source is None:
        return {part: _own(run, part) for part in PARTS}
    if not isinstance(source, str | Path) or parted(source)[1] is not None:  # selected rows have no parts
        return {"train": picked(run, source, settings)}
    bundle = read_parts(run, source, settings)
    return {"train": bundle.train} | ({} if bundle.test is None else {"test": bundle.test})


def joined(parts: list[Samples]) -> Samples:
    """Several sets as one, with the classes of the first; groups of different sets stay different."""
    first, *rest = parts
    rest = [align_labels(samples, first.classes) for samples in rest]
    labels = [s.labels for s in (first, *rest)]
    known = [values for values in labels if values is not None]
    return replace(
        first,
        x=np.concatenate([s.x for s in (first, *rest)]),
        labels=np.concatenate(known) if len(known) == len(labels) else None,
        groups=_joined_groups([first, *rest]),
        ids=tuple(s.id_of(i) for s in (first, *rest) for i in range(len(s))),
    )


def _joined_groups(parts: list[Samples]) -> np.ndarray | None:
    """If some sets have groups, each sample of a set without groups becomes its own group."""
    if all(samples.groups is None for samples in parts):
        return None
    joined, n = [], 0
    for samples in parts:
        own = np.arange(len(samples)) if samples.groups is None else np.unique(samples.groups, return_inverse=True)[1]
        joined.append(own + n)
        n += int(own.max(initial=-1)) + 1
    return np.concatenate(joined)


def thinned(samples: Samples, most: int, seed: int, what: str) -> Samples:
    """At most `most` of the samples, balanced over the classes, in their order; a note says so."""
    if len(samples) <= most:
        return samples
    order = np.random.default_rng(seed_of(seed, what, "rows")).permutation(len(samples))
    rows = np.sort(evenly(order, samples.labels, most))
    note = f"{most:,} of {len(samples):,} samples are used (--limit raises the number)"
    return replace(samples.take(rows), notes=(*samples.notes, note))


def title(samples: Samples, row: int) -> str:
    """The id of a sample, prefixed with its class unless the id already starts with it."""
    name, k = samples.id_of(row), -1 if samples.labels is None else samples.labels[row]
    return name if k < 0 or name.startswith(f"{samples.classes[k]}/") else f"{samples.classes[k]} · {name}"


class Result(Protocol):
    """A result that can be written as a picture and as a table."""

    def draw(self) -> Figure: ...

    def columns(self) -> dict[str, Any]: ...


def refuse_out(run: RunFolder, out: Path, *inputs: str | Path | None) -> None:
    """Raises: UsageError, before anything is read, for an unsupported suffix, or if an input would be overwritten."""
    if out.suffix not in TABLES | {".png"}:
        message = f"the result cannot be written as {out.suffix or 'a folder'}: {out}."
        raise UsageError("USAGE-OUT", message, fix="name a .png, .csv or .parquet file with -o")
    for given in inputs:
        keep_inputs(run, given or run.config.data.source, out)


def write_result(result: Result, out: Path) -> Path:
    """Writes a picture for .png, otherwise a table; see `refuse_out`."""
    return save(result.draw(), out) if out.suffix == ".png" else write_table(out, result.columns())


def picture_of(samples: Samples, rows: Any, preprocess: Preprocess) -> np.ndarray:
    """The images at `rows`, scaled by the range of the run for drawing.

    Raises: UsageError for rows of a table.
    """
    if not samples.is_image:
        message = f"{samples.name} has rows of a table, which cannot be drawn."
        raise UsageError("USAGE-OUT", message, fix="name a .csv or .parquet file with -o")
    return shown(samples.x[rows], preprocess.ends, preprocess.alpha)


def value_name(column: str, known: Collection[str]) -> str:
    """The name of a data column in a result table, changed if one of the `known` columns already has that name."""
    return f"{column} (value)" if column in known else column


__all__ = [
    "Coded",
    "all_parts",
    "coded",
    "joined",
    "one_set",
    "picked",
    "picture_of",
    "refuse_out",
    "thinned",
    "title",
    "value_name",
    "write_result",
]
