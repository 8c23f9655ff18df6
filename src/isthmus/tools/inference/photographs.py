"""Photographs of any size through a denoiser: one file out for each in, of the same size, format and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from isthmus.data.images.listing import list_files
from isthmus.data.images.photograph import Frame, Photograph, suffix_of
from isthmus.data.images.pixels import SUFFIXES, reason
from isthmus.errors import DataError
from isthmus.models.denoiser import Denoiser
from isthmus.system.outputs import claimed, refuse_existing, refuse_inputs
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable


class FileJob(NamedTuple):
    """A file to read and the file to write."""

    source: Path
    target: Path


def is_photographs(source: Path) -> bool:
    """Whether `source` is an image file, or a folder that holds some."""
    if source.is_dir():
        return any(path.suffix.lower() in SUFFIXES for path in list_files(source).files)
    return source.is_file() and source.suffix.lower() in SUFFIXES


def denoise_photographs(
    model: Denoiser, source: Path, out: Path, *, strength: float = 1.0, progress: Progress | None = None
) -> tuple[list[Path], tuple[str, ...]]:
    """Writes the cleaned copy of every image file of `source`; gives the paths and what is to be said.

    A folder gives a folder of the same names. `progress(done, total)` counts tiles of the file at hand.

    Raises: DataError for a file that cannot be read; all others are done first, and all faults are listed.
    """
    jobs, bad = _jobs(source, out), {}
    if not source.is_dir():
        refuse_inputs(jobs[0].target, source)
        refuse_existing(jobs[0].target, out)
        bad = _run(model, jobs, strength, progress)
    else:
        with claimed(out, [job.target for job in jobs]):
            bad = _run(model, jobs, strength, progress)
    if bad:
        n = len(jobs) - len(bad)
        message = f"{counted(len(bad), 'file')} of {len(jobs):,} could not be denoised; {n:,} were written to {out}."
        fix = "remove these files, or save them again as PNG"
        raise DataError("DATA-FILE", message, fix=fix, problems=[f"{printable(p)} {why}" for p, why in bad.items()])
    renamed = [job for job in jobs if source.is_dir() and job.target.name != job.source.name]
    said = (
        (f"{counted(len(renamed), 'file')} written as {renamed[0].target.suffix}, which holds all frames",)
        if renamed
        else ()
    )
    return [job.target for job in jobs], said


def _jobs(source: Path, out: Path) -> list[FileJob]:
    if not source.is_dir():
        target = out / source.name if out.is_dir() else out
        return [FileJob(source, suffix_of(Photograph(source), target))]
    files = [path for path in list_files(source).files if path.suffix.lower() in SUFFIXES]
    return [FileJob(path, out / path.relative_to(source)) for path in files]


def _run(model: Denoiser, jobs: Sequence[FileJob], strength: float, progress: Progress | None) -> dict[Path, str]:
    bad = {}
    for job in jobs:
        try:
            photograph = Photograph(job.source)
            frames = [cleaned(model, frame, strength, progress) for frame in photograph.frames()]
            photograph.save(frames, job.target)
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            bad[job.source] = reason(job.source, error)
    return bad


def cleaned(model: Denoiser, frame: Frame, strength: float = 1.0, progress: Progress | None = None) -> Frame:
    """The frame with its noise taken out; its transparency stays, `strength` from 0 to 1 blends."""
    return frame._replace(pixels=model.denoise(frame.pixels[None], strength, progress=progress)[0])
