"""Photographs of any size through a denoiser: one file out for each in, of the same size, format and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.data.images.listing import list_files
from isthmus.data.images.photograph import Frame, Photograph, suffix_of
from isthmus.data.images.pixels import SUFFIXES, reason
from isthmus.data.numeric import value_range
from isthmus.data.ranges import within_unit
from isthmus.errors import DataError
from isthmus.models.denoiser import Denoiser, refuse_strength
from isthmus.system.outputs import claimed, refuse_existing, refuse_inputs
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable


class FileJob(NamedTuple):
    """A file to read and the file to write."""

    source: Path
    target: Path


def photographs_of(source: Path) -> list[Path]:
    """The image files that `source` is or holds, by their suffixes; none where it is something else."""
    files = list_files(source).files if source.is_dir() else [source] if source.is_file() else []
    return [path for path in files if path.suffix.lower() in SUFFIXES]


def denoise_photographs(
    model: Denoiser,
    files: Sequence[Path],
    source: Path,
    out: Path,
    *,
    strength: float = 1.0,
    progress: Progress | None = None,
) -> list[Path]:
    """Writes the cleaned copy of every one of `files`, which `source` is or holds; gives the paths.

    A folder gives a folder of the same names. `progress(done, total)` counts tiles of the file at hand.

    Raises: DataError for a file that cannot be read; all others are done first, and all faults are listed. UsageError
    for a strength outside of 0 to 1, before anything is written.
    """
    refuse_strength(strength)
    if source.is_dir():
        jobs = [FileJob(path, out / path.relative_to(source)) for path in files]
        with claimed(out, [job.target for job in jobs]):
            bad = _run(model, jobs, strength, progress)
    else:
        jobs = [FileJob(source, _fitting(source, out / source.name if out.is_dir() else out))]
        refuse_inputs(jobs[0].target, source)
        refuse_existing(jobs[0].target, out)
        bad = _run(model, jobs, strength, progress)
    if bad:
        n, of = len(jobs) - len(bad), counted(len(jobs), "file")
        message = f"{len(bad):,} of {of} could not be denoised; {n:,} were written to {printable(out)}."
        fix = "remove what cannot be read, or save it again as PNG"
        raise DataError("DATA-FILE", message, fix=fix, problems=[f"{printable(p)} {why}" for p, why in bad.items()])
    return [job.target for job in jobs]


def _fitting(source: Path, target: Path) -> Path:
    with suppress(OSError, SyntaxError, ValueError):  # what cannot be read is told when it is read
        return suffix_of(Photograph(source), target)
    return target


def _run(model: Denoiser, jobs: Sequence[FileJob], strength: float, progress: Progress | None) -> dict[Path, str]:
    bad = {}
    for job in jobs:
        try:
            photograph = Photograph(job.source)
            frames = [cleaned(model, frame, strength, progress) for frame in photograph.frames()]
            photograph.save(frames, job.target)
        except DataError as error:  # of values that the model cannot take
            bad[job.source] = f"does not fit: {error.message}"
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            bad[job.source] = reason(job.source, error)
    return bad


def cleaned(model: Denoiser, frame: Frame, strength: float = 1.0, progress: Progress | None = None) -> Frame:
    """The frame with its noise taken out; its transparency stays, `strength` from 0 to 1 blends.

    Floats beyond [0, 1], which a model of bytes does not know, are brought there by their own ends, and back.
    """
    pixels, ends = frame.pixels, None
    if pixels.dtype.kind == "f" and model.preprocess.offset is None and not within_unit(*value_range(pixels)):
        low, high = ends = value_range(pixels)
        pixels = (pixels - np.float32(low)) / np.float32(high - low or 1.0)
    made = model.denoise(pixels[None], strength, progress=progress)[0]
    return frame._replace(pixels=made if ends is None else made * np.float32(ends[1] - ends[0]) + np.float32(ends[0]))
