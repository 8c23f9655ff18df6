"""Applies a trained run to files: reconstruct, denoise, encode, decode; images to images, tables to tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.config import SPELLED, DataConfig
from isthmus.data.arrays.array_files import read_npy, read_npy_array
from isthmus.data.images.pixels import FORMATS
from isthmus.data.samples import Samples
from isthmus.data.tables.reading import read_table
from isthmus.data.tables.writing import about_formulas, without_apostrophes, write_table
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.verdicts.noise_check import judge_noise
from isthmus.evaluation.verdicts.set_check import check_set
from isthmus.models.denoiser import Denoiser
from isthmus.models.photo import COLORS, PhotoDenoiser
from isthmus.models.piecewise import PiecewiseModel, WholeImageModel
from isthmus.runs.folder import RunFolder
from isthmus.system.files import write_atomic
from isthmus.system.outputs import refuse_inputs
from isthmus.system.progress import tell
from isthmus.system.workers import Progress
from isthmus.tools.inference.cleaned_files import told
from isthmus.tools.inference.photographs import Wish, denoise_photographs, photographs_of
from isthmus.tools.inference.picking import pick
from isthmus.tools.inference.refused_files import SAVE_AGAIN
from isthmus.tools.inference.rows_given_back import reconstruct_series
from isthmus.tools.inference.sample_writing import write_samples
from isthmus.tools.inference.written import TABLES, Written, keep_inputs
from isthmus.wording import counted, printable

OF_ENCODE = "use codes that `isthmus encode` wrote with this run"
NOISE_LOOKED_AT = 1_000  # images of the input used to estimate the noise, in a fraction of a second


def reconstruct(
    run: RunFolder, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None
) -> Written:
    """Writes the reconstruction of every sample of `source` (as for `picking.pick`) to `out`."""
    keep_inputs(run, source, out)
    if run.model.preprocess.series is not None:
        return reconstruct_series(run, source, Path(out), settings)
    samples = pick(run, source, settings)
    tell(f"reconstructing {counted(len(samples), 'sample')}")
    if files := _cut_files(run, Path(source), Path(out), settings):
        whole = PiecewiseModel(run.model.preprocess, run.model.reconstruct)
        written = _files(lambda _: whole, files, Path(source), Path(out), Wish())
        return _with_set(run, samples, replace(written, said=samples.notes))
    written = write_samples(run, samples, run.model.reconstruct(samples.x), Path(out), Path(source))
    return _with_set(run, samples, written)


def _cut_files(run: RunFolder, source: Path, out: Path, settings: Mapping[str, Any] | None) -> list[Path]:
    """Image files that the run cuts into pieces, but that are written whole. Empty if files are read in another way, or
    if the pieces themselves are wanted: as an array, as a table, or by --patches.
    """
    data, asked = run.config.data, {name for name in settings or {} if name != "max_pixels"}
    if data.patches is None or data.resize is not None or asked or out.suffix in TABLES | {".npy"}:
        return []
    return photographs_of(source)


def denoise(
    run: RunFolder,
    source: str | Path,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    strength: float | None = None,
    compared: Path | None = None,
    progress: Progress | None = None,
) -> Written:
    """Writes a cleaned copy of every sample; says so if they look clean, or noisier than those in training.

    A network without a code takes image files of any size and writes each in its own format. `strength`, from 0 to 1
    (default 1), blends with the original. Before-and-after pictures are written to `compared`. `progress(done, total)`
    counts tiles.

    Raises: UsageError if the run was not trained with noise, or does not support `strength`, `compared` or `settings`.
    """
    keep_inputs(run, source, out)
    model, source, out = run.model, Path(source), Path(out)
    files = photographs_of(source) if isinstance(model, Denoiser) else _cut_files(run, source, out, settings)
    if isinstance(model, Denoiser) and files:
        _refuse_reading(settings, "a run of recipe photo")
        wish = Wish(_given(strength), False, compared, progress, (settings or {}).get("max_pixels"))
        return _files(lambda _: model, files, source, out, wish)
    for flag, given in (("--strength", strength), ("--compare", compared)):
        if given is not None and not files:
            message = f"{flag} works only on image files, with a run of recipe photo or of patches (--patches)."
            raise UsageError("USAGE-STRENGTH", message, fix=f"leave {flag} out")
    if model.preprocess.series is not None:
        model.refuse_denoising()
        return reconstruct_series(run, source, out, settings)
    samples = pick(run, source, settings)
    tell(f"denoising {counted(len(samples), 'sample')}")
    if files:
        whole = PiecewiseModel(model.preprocess, model.denoise)
        wish = Wish(_given(strength), False, compared, progress, (settings or {}).get("max_pixels"))
        written = _files(lambda _: whole, files, source, out, wish)
        return _with_set(run, samples, written, about_noise(run, samples))
    denoised = run.model.denoise(samples.x)
    written = write_samples(run, samples, denoised, Path(out), Path(source))
    return _with_set(run, samples, written, about_noise(run, samples))


def denoise_with_photo(
    source: str | Path,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    strength: float | None = None,
    compared: Path | None = None,
    progress: Progress | None = None,
) -> Written:
    """Writes a cleaned copy of image files, or of an array of images (.npy), with the package's own denoiser.

    If no `strength` is given, image files with hardly any noise are written unchanged. The only reading option accepted
    in `settings` is `max_pixels`; before-and-after pictures are drawn only of image files.

    Raises: DataError for any other input; UsageError for a strength outside 0 to 1, for other settings, and for
    `compared` with an array.
    """
    _refuse_reading(settings, "photo")
    model, source, out = PhotoDenoiser(), Path(source), Path(out)
    files = photographs_of(source)
    if files:
        wish = Wish(_given(strength), strength is None, compared, progress, (settings or {}).get("max_pixels"), True)
        return _files(model.network_for, files, source, out, wish)
    refuse_inputs(out, source)
    if source.suffix == ".npy" and out.suffix == ".npy" and source.is_file():
        if compared is not None:
            message = f"--compare draws pictures of image files only; {printable(source)} is an array."
            raise UsageError("USAGE-STRENGTH", message, fix="leave --compare out")
        images = np.array(read_npy_array(source, DataConfig()))
        write_atomic(out, lambda part: np.save(part, model.denoise(images, _given(strength)), allow_pickle=False))
        return Written(out, _n_images(images), ())
    raise _nothing_to_clean(source)


def _n_images(images: np.ndarray) -> int:
    """The number of images in an array: (H, W), (H, W, 3) and (3, H, W) are one."""
    is_one = images.ndim == 2 or (images.ndim == 3 and COLORS in (images.shape[0], images.shape[-1]))
    return 1 if is_one else len(images)


def _refuse_reading(settings: Mapping[str, Any] | None, what: str) -> None:
    """Raises: UsageError for reading options other than `max_pixels`, which `what` would ignore."""
    others = [SPELLED.get(name, f"--{name.replace('_', '-')}") for name in settings or {} if name != "max_pixels"]
    if others:
        message = f"{what} takes image files as they are, so {', '.join(others)} would have no effect."
        raise UsageError("USAGE-PHOTO", message, fix=f"leave {' and '.join(others)} out")


def _nothing_to_clean(source: Path) -> DataError:
    if source.is_file() and source.suffix != ".npy":
        message = f"{printable(source)} is not an image in a supported format ({', '.join(FORMATS)})."
        return DataError("DATA-FILE", message, fix=SAVE_AGAIN)
    if source.exists():
        message = f"{printable(source)} has no images that photo can denoise."
    else:
        message = f"{printable(source)} does not exist."
    return DataError("DATA-FILE", message, fix="name an image, a folder of images, or a .npy array with a .npy for -o")


def _given(strength: float | None) -> float:
    return 1.0 if strength is None else strength


def _files(
    network_for: Callable[[np.ndarray], WholeImageModel], files: Sequence[Path], source: Path, out: Path, wish: Wish
) -> Written:
    done = denoise_photographs(network_for, files, source, out, wish)
    place = out if source.is_dir() else done[0].path
    return Written(place, len(done), told(done, wish.strength, tells_noise=wish.tells_noise), files=tuple(done))


def _with_set(run: RunFolder, samples: Samples, written: Written, noise: tuple[str, ...] = ()) -> Written:
    """`written` with notes on its noise and on the data set as a whole.

    For a denoiser, the set is compared with noisy samples. If different noise explains why the set differs, only the
    noise is mentioned.
    """
    whole = check_set(run, samples, noisy=run.config.model.noise != "none")
    sentences = [*noise, *([whole.text] if whole.text and not (noise and whole.undo is None) else [])]
    return replace(written, said=(*written.said, *sentences), set=whole)


def about_noise(run: RunFolder, samples: Samples) -> tuple[str, ...]:
    """A sentence on whether the noise of the input suits this denoiser; empty if it does."""
    estimates = run.metrics.get("denoising", {}).get("estimates")
    if estimates is None or not samples.is_image:
        return ()
    x = run.model.preprocess.to_x(torch.from_numpy(np.array(samples.x[:NOISE_LOOKED_AT])))
    verdict = judge_noise(x, estimates, noise=run.config.model.noise, path=str(run.path))
    return () if verdict.level == "pass" else (verdict.text,)


def encode(run: RunFolder, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Written:
    """Writes the code of every sample: .csv or .parquet with `id`, `label` if known, `z0` …; .npy with only codes."""
    target = Path(out)
    keep_inputs(run, source, out)
    if target.suffix not in TABLES | {".npy"}:
        raise UsageError(
            "USAGE-OUT",
            f"codes cannot be written as {target.suffix or 'a folder'}.",
            fix="name a .csv, .parquet or .npy file with -o",
        )
    samples = pick(run, source, settings)
    z = run.coder.encode(samples.x)
    if target.suffix == ".npy":
        write_atomic(target, lambda part: np.save(part, z, allow_pickle=False))
        return Written(target, len(z), samples.notes)
    columns: dict[str, Any] = {"id": samples.all_ids()}
    if samples.labels is not None:
        columns["label"] = samples.all_labels()
    write_table(target, columns | {f"z{i}": z[:, i] for i in range(z.shape[1])})
    return Written(target, len(z), (*samples.notes, *about_formulas(target, columns)))


def decode(run: RunFolder, codes: str | Path, out: str | Path) -> Written:
    """Decodes a table or array of codes and writes the result.

    Raises: DataError if the codes are not (N, z_size) finite numbers.
    """
    keep_inputs(run, codes, out)
    z, ids = read_codes(Path(codes), run.model.z_size)
    raw = run.coder.decode(z)
    preprocess = run.model.preprocess
    samples = Samples(raw, Path(codes).stem, ids=ids, columns=preprocess.columns)
    return write_samples(run, samples, raw, Path(out), Path(codes))


def read_codes(path: Path, z_size: int) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Codes (N, z_size) and their ids, from the files that `encode` writes."""
    ids = None
    if path.suffix == ".npy":
        z = read_npy(path, DataConfig(scale="none")).x
    else:
        import polars as pl

        as_text = partial(pl.read_csv, infer_schema=False)  # otherwise an id such as 007 would lose its zeros
        read = pl.read_parquet if path.suffix == ".parquet" else as_text
        names = read(path, n_rows=0).columns if path.is_file() else []
        beside = tuple(n for n in names if n in {"id", "label"})
        options = DataConfig(drop_columns=beside, header="yes", scale="none", shape="table")
        try:
            z = read_table(path, options, expected=[f"z{i}" for i in range(z_size)]).x
        except DataError as error:
            error.fix = OF_ENCODE if error.code == "DATA-COLUMNS" else error.fix
            raise
        if "id" in names:
            ids = tuple(map(str, read(path, columns=["id"])["id"]))
            ids = ids if path.suffix == ".parquet" else tuple(without_apostrophes(ids))
    if z.ndim != 2 or z.shape[1] != z_size:
        message = f"{path} has codes of shape {z.shape}; the model takes (N, {z_size})."
        raise DataError("DATA-CODES", message, fix=OF_ENCODE)
    return np.asarray(z, np.float32), ids


__all__ = ["decode", "denoise", "denoise_with_photo", "encode", "read_codes", "reconstruct"]
