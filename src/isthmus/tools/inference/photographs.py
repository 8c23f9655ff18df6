"""Denoises photographs of any size: one output file per input file, with the same size, format and metadata."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.data.images.listing import list_files
from isthmus.data.images.photograph import Frame, Photograph, suffix_of
from isthmus.data.images.pixels import FORMAT_OF, FULL, SUFFIXES, pixel_limit
from isthmus.data.numeric import value_range
from isthmus.data.ranges import within_unit
from isthmus.errors import DataError, UsageError
from isthmus.models.denoiser import refuse_strength
from isthmus.models.piecewise import WholeImageModel
from isthmus.system.files import write_atomic
from isthmus.system.outputs import claimed, refuse_existing, refuse_inputs
from isthmus.system.workers import Progress
from isthmus.tools.inference.cleaned_files import CleanedFile
from isthmus.tools.inference.photo_judgment import judge_cleaned, judge_photograph, seen_of
from isthmus.tools.inference.refused_files import Refused, not_done, refused
from isthmus.wording import printable

if TYPE_CHECKING:
    from isthmus.evaluation.figures.before_after import Unit


class FileJob(NamedTuple):
    """A file to read, the file to write, and the path of the before-and-after picture, if there is one."""

    source: Path
    target: Path
    compared: Path | None = None


def photographs_of(source: Path) -> list[Path]:
    """The image files that `source` is or contains, by suffix; none if it is something else."""
    files = list_files(source).files if source.is_dir() else [source] if source.is_file() else []
    return [path for path in files if path.suffix.lower() in SUFFIXES]


class Wish(NamedTuple):
    """How to denoise files: `strength` from 0 to 1; whether files with hardly any noise are left unchanged; where
    before-and-after pictures are written, if anywhere; the most pixels that a file may have; whether the network
    removes all the noise in flat parts, as the one shipped with the package does. `progress(done, total)` counts tiles.
    """

    strength: float = 1.0
    leaves_clean: bool = False
    compared: Path | None = None
    progress: Progress | None = None
    max_pixels: int | None = None
    tells_noise: bool = False


def denoise_photographs(
    network_for: Callable[[np.ndarray], WholeImageModel], files: Sequence[Path], source: Path, out: Path, wish: Wish
) -> list[CleanedFile]:
    """Writes a cleaned copy of each of `files`, which `source` is or contains.

    For a folder, `out` is a folder with the same names. `network_for` returns the network for pixels (C, H, W).
    `wish.progress(done, total)` counts tiles of the current file.

    Raises: DataError for files that cannot be read, after all others are done; it lists all of them. UsageError for a
    strength outside 0 to 1, before anything is written.
    """
    refuse_strength(wish.strength)
    with pixel_limit(wish.max_pixels):
        done, bad = _all(network_for, files, source, out, wish)
    if bad:
        raise not_done(bad, len(files), len(done), out)
    return done


def _all(
    network_for: Callable[[np.ndarray], WholeImageModel], files: Sequence[Path], source: Path, out: Path, wish: Wish
) -> tuple[list[CleanedFile], dict[Path, Refused]]:
    pictures = _pictures(files, source, out, wish.compared)
    if source.is_dir():
        _refuse_file(source, out)
        jobs = [FileJob(path, out / path.relative_to(source), pictures.get(path)) for path in files]
        with claimed(out, [job.target for job in jobs]), _claimed_pictures(wish.compared, pictures):
            return _run(network_for, jobs, wish)
    job = FileJob(source, _fitting(source, out / source.name if out.is_dir() else out), pictures.get(source))
    refuse_inputs(job.target, source)
    refuse_existing(job.target, out)
    if job.compared is not None and job.compared.resolve() == job.target.resolve():
        message = f"--compare {printable(job.compared)} is also the output file of the cleaned photograph."
        raise UsageError("USAGE-OUT", message, fix="name another file for the picture")
    with _claimed_pictures(wish.compared, pictures):
        return _run(network_for, [job], wish)


def _refuse_file(source: Path, out: Path) -> None:
    """Raises: UsageError if `out` names a file, such as x.png, while a folder is needed."""
    if out.suffix.lower() in SUFFIXES | {".npy", ".csv", ".parquet"} and not out.is_dir():
        message = f"{printable(source)} is a folder, so the result is not a single {out.suffix} file."
        raise UsageError("USAGE-OUT", message, fix="name a folder with -o")


def _pictures(files: Sequence[Path], source: Path, out: Path, place: Path | None) -> dict[Path, Path]:
    """The path of the before-and-after picture of each file: `place` itself, a PNG, for one file; otherwise a path in
    the folder `place`.

    Raises: UsageError if that would replace an input or add to it, or if several files would get the same picture.
    """
    if place is None:
        return {}
    refuse_inputs(place, source)
    if place.suffix.lower() != ".png":
        root = source if source.is_dir() else source.parent
        below = {path: path.relative_to(root) for path in files}
        return {path: place / name.with_name(f"{name.name}-before-after.png") for path, name in below.items()}
    if source.is_dir():
        message = f"{printable(source)} is a folder, but {printable(place)} can hold only one before-and-after picture."
        raise UsageError("USAGE-OUT", message, fix="name a folder for --compare")
    return {source: place}


def _claimed_pictures(place: Path | None, pictures: Mapping[Path, Path]) -> AbstractContextManager[None]:
    is_folder = place is not None and place.suffix.lower() != ".png"
    return claimed(place, list(pictures.values())) if place is not None and is_folder else nullcontext()


def _fitting(source: Path, target: Path) -> Path:
    with suppress(OSError, SyntaxError, ValueError):  # an unreadable file is reported when it is read
        return suffix_of(Photograph(source), target)
    return target


def _run(
    network_for: Callable[[np.ndarray], WholeImageModel], jobs: Sequence[FileJob], wish: Wish
) -> tuple[list[CleanedFile], dict[Path, Refused]]:
    done: list[CleanedFile] = []
    bad: dict[Path, Refused] = {}
    for job in jobs:
        try:
            done.append(_denoised(network_for, job, wish))
        except (DataError, OSError, SyntaxError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            bad[job.source] = refused(job.source, error)
    return done, bad


def _denoised(network_for: Callable[[np.ndarray], WholeImageModel], job: FileJob, wish: Wish) -> CleanedFile:
    photograph = Photograph(job.source)
    frames = list(photograph.frames())
    model = network_for(frames[0].pixels)
    found, unit = None, _unit_of(frames[0].pixels)
    if wish.leaves_clean or wish.strength < 1:  # otherwise the cleaned picture is judged, without another pass
        found = judge_photograph(model, in_unit(model, frames[0].pixels)[0])._replace(is_lossy=photograph.is_lossy)
    is_left = wish.leaves_clean and found is not None and (found.is_clean or photograph.is_bilevel)
    if is_left:
        _copy(photograph, frames, job)
    else:  # pixels are overwritten in place, so that they are in memory only once
        before = seen_of(frames[0].pixels)
        frames = [cleaned(network_for(frame.pixels), frame, wish.strength, wish.progress) for frame in frames]
        photograph.save(frames, job.target)
        if found is None:
            found = judge_cleaned(before, frames[0].pixels)._replace(is_lossy=photograph.is_lossy)
    if job.compared is not None:
        _compare(photograph, frames, unit, job.compared)
    assert found is not None
    return CleanedFile(job.target, found, is_left, photograph.is_bilevel)


def _copy(photograph: Photograph, frames: list[Frame], job: FileJob) -> None:
    """Copies the file byte by byte, or only its pixels if the target has another format."""
    if _have_one_format(photograph, job):
        write_atomic(job.target, lambda part: shutil.copyfile(job.source, part))
    else:
        photograph.save(frames, job.target)


def _have_one_format(photograph: Photograph, job: FileJob) -> bool:
    """Whether both names have the same suffix, or suffixes of the file's own format, such as .jpeg and .jpg. Not for
    JPEG 2000, where suffixes mean different file structures.
    """
    suffixes = {path.suffix.lower() for path in (job.source, job.target)}
    own = "JPEG" if photograph.format == "MPO" else photograph.format
    return len(suffixes) == 1 or {FORMAT_OF.get(suffix) for suffix in suffixes} == {own} != {"JPEG2000"}


def _compare(photograph: Photograph, frames: list[Frame], unit: Unit, target: Path) -> None:
    """Draws the first frame before and after denoising. The file is read again after `frames` has been emptied, so that
    a large picture is in memory only once.
    """
    from isthmus.evaluation.figures.before_after import before_after, place_of_detail, shown_of  # late: matplotlib
    from isthmus.evaluation.figures.canvas import save

    place = place_of_detail(frames[0].pixels, unit)
    after = shown_of(frames[0].pixels, place, unit)
    frames.clear()
    before = shown_of(next(iter(photograph.frames())).pixels, place, unit)
    save(before_after(before, after, name=photograph.path.name), target)


def _unit_of(pixels: np.ndarray) -> Unit:
    """A function that scales parts of a picture for drawing."""
    ends = in_unit(None, pixels[:, :1, :1], of=pixels)[1]
    return (lambda part: part) if ends is None else lambda part: _between(part, *ends)


def cleaned(model: WholeImageModel, frame: Frame, strength: float = 1.0, progress: Progress | None = None) -> Frame:
    """The denoised frame, in the memory of the old one; its transparency stays. `strength` from 0 to 1 blends.

    Floats outside [0, 1] are scaled to [0, 1] by their own minimum and maximum for a model of bytes, and back.
    """
    pixels, ends = in_unit(model, frame.pixels)
    if model.preprocess.alpha:
        made = _seen(model, pixels, frame.alpha, strength, progress)
    else:
        made = pixels
        model.denoise_over(made, strength, progress=progress)
    if ends is not None:
        made = made * np.float32(ends[1] - ends[0]) + np.float32(ends[0])
    return frame._replace(pixels=made)


def _seen(
    model: WholeImageModel, pixels: np.ndarray, alpha: np.ndarray | None, strength: float, progress: Progress | None
) -> np.ndarray:
    """Denoises pixels (C, H, W) with a model that takes transparency; pixels without it count as opaque."""
    bands = model.preprocess.shape[0] - 1
    colors = np.repeat(pixels, bands, axis=0) if len(pixels) == 1 else pixels
    opacity = np.full_like(colors[:1], FULL[str(colors.dtype)]) if alpha is None else alpha[None].astype(colors.dtype)
    made = model.denoise(np.concatenate([colors, opacity])[None], strength, progress=progress)[0, :bands]
    if len(pixels) == bands:
        return made
    mean = made.mean(0, keepdims=True, dtype=np.float64)
    return (mean if pixels.dtype.kind == "f" else mean.round()).astype(pixels.dtype)


def in_unit(
    model: WholeImageModel | None, pixels: np.ndarray, *, of: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Floats outside [0, 1], scaled to [0, 1] by the minimum and maximum of `of` (default: their own), with these two
    values; anything else unchanged, with None.

    If the model stores the black and white of its data, everything is unchanged. Without a model, for drawing, 16-bit
    values are scaled too.
    """
    knows = model is not None and model.preprocess.offset is not None
    if knows or pixels.dtype == np.uint8:
        return pixels, None
    low, high = value_range(pixels if of is None else of)
    is_float = pixels.dtype.kind == "f" and not within_unit(low, high)
    if not (is_float or (model is None and pixels.dtype == np.uint16)):
        return pixels, None
    return _between(pixels, low, high), (low, high)


def _between(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    return (pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low or 1.0)
