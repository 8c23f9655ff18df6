"""A trained run put to files: reconstruct, denoise, encode, decode; images to images, tables to tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.config import DataConfig
from isthmus.data.preprocess import Preprocess
from isthmus.data.samples import Bundle, Samples
from isthmus.data.writing import about_formulas, without_apostrophes
from isthmus.errors import DataError, UsageError
from isthmus.files import write_atomic
from isthmus.outputs import claimed, refuse_existing, refuse_inputs

if TYPE_CHECKING:
    from isthmus.runs import Run

TABLES = {".csv", ".parquet"}
NOISE_LOOKED_AT = 1_000  # images of the input on which the noise is estimated, in a fraction of a second


@dataclass(frozen=True)
class Written:
    """What was written, where, and what is to be said about it."""

    path: Path
    n: int
    said: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"out": str(self.path), "n": self.n, "said": list(self.said)}


def read_input(run: Run, source: str | Path, settings: Mapping[str, Any] | None = None) -> Samples:
    """Reads `source` the way the run's training data was read, and brings it to the form that its model takes.

    Tables are matched by column name; gray images become colour ones for a colour model and the other way round, which
    the notes say. `settings` are reading options that were given anew, such as `{"resize": "28"}`.

    Raises: DataError for other sizes or columns, with the fix.
    """
    from isthmus.data.sources import read_samples

    with _knowing_the_size(run):
        found = read_samples(str(source), _options(run, settings), expected=run.model.preprocess.columns)
    return fitting(found, run.model.preprocess)


def read_parts(run: Run, source: str | Path, settings: Mapping[str, Any] | None = None) -> Bundle:
    """As `read_input`, but the training part too where `source` comes in two parts; else all of it is `train`."""
    from isthmus.data.sources import read

    with _knowing_the_size(run):
        found = read(str(source), _options(run, settings), expected=run.model.preprocess.columns)
    preprocess = run.model.preprocess
    return Bundle(fitting(found.train, preprocess), None if found.test is None else fitting(found.test, preprocess))


def _options(run: Run, settings: Mapping[str, Any] | None) -> DataConfig:
    whole = {"limit": None, "validation": None, "test": None}
    if (settings or {}).get("scale", run.config.data.scale) != run.config.data.scale:
        message = f"--scale cannot be chosen anew: the model scales its input as in training ({run.config.data.scale})."
        raise UsageError("USAGE-SCALE", message, fix="leave --scale out, or train a run with it")
    return replace(run.config.data, **whole | _reading(run.model.preprocess) | dict(settings or {}))


@contextmanager
def _knowing_the_size(run: Run) -> Iterator[None]:
    """Of images of mixed sizes only one can be meant, so the error names it."""
    try:
        yield
    except DataError as error:
        if error.code == "DATA-SIZE" and run.model.preprocess.is_image:
            H, W = run.model.preprocess.shape[1:]
            error.fix = f"pass --resize {H}x{W}, the size that the model was trained on"
        raise


def _reading(preprocess: Preprocess) -> dict[str, Any]:
    """Reading options that follow from what the model takes."""
    if not preprocess.is_image:
        return {"label": preprocess.label_column}
    C, H, W = preprocess.shape
    pixels = (
        {"shape": f"{H}x{W}" + (f"x{C}" if C > 1 else ""), "label": preprocess.label_column}
        if preprocess.columns
        else {}
    )
    return {"gray": C == 1} | pixels


def fitting(samples: Samples, preprocess: Preprocess) -> Samples:
    """The samples in the column order and the number of channels that the model takes.

    Raises: DataError where that cannot be done without changing the data more.
    """
    if preprocess.columns is not None and samples.columns is not None:
        from isthmus.data.columns import match_columns

        order = match_columns(samples.columns, preprocess.columns, label=preprocess.label_column, name=samples.name)
        if not samples.is_image:
            samples = replace(samples, x=samples.x[:, order], columns=preprocess.columns)
    given, wanted = samples.shape, preprocess.shape
    if len(given) != len(wanted):
        kinds = {1: "rows of a table", 3: "images"}
        message = f"{samples.name} holds {kinds[len(given)]}, but the model was trained on {kinds[len(wanted)]}."
        raise DataError("DATA-SHAPE", message, fix="name data of the kind it was trained on")
    if len(given) == 3 and given[1:] == wanted[1:] and given[0] == 1 and wanted[0] == 3:
        said = f"{samples.name}: gray images given to a colour model, the three channels are alike"
        return replace(samples, x=np.repeat(samples.x, 3, axis=1), notes=(*samples.notes, said))
    if given != wanted:
        raise _other_shape(samples.name, given, wanted)
    return samples


def _other_shape(name: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> DataError:
    if len(wanted) == 1:
        message = f"{name} has {given[0]} columns; the model was trained on {wanted[0]}."
        return DataError("DATA-SHAPE", message, fix="give the same columns, or leave some out with --drop-column")
    told = [f"{H}x{W} with {C} channel{'s' * (C != 1)}" for C, H, W in (given, wanted)]
    fix = f"pass --resize {wanted[1]}x{wanted[2]}" if given[1:] != wanted[1:] else "pass --gray, or --alpha white"
    return DataError("DATA-SHAPE", f"{name} holds images of {told[0]}; the model was trained on {told[1]}.", fix=fix)


def reconstruct(run: Run, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Written:
    """Writes the reconstruction of every sample of `source` to `out`."""
    keep_inputs(run, source, out)
    samples = read_input(run, source, settings)
    return write_samples(run, samples, run.model.reconstruct(samples.x), Path(out), Path(source))


def denoise(run: Run, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Written:
    """Writes the cleaned copy of every sample; says so if they look clean, or noisier than those in training.

    Raises: UsageError if the run was not trained with noise.
    """
    keep_inputs(run, source, out)
    samples = read_input(run, source, settings)
    denoised = run.model.denoise(samples.x)
    written = write_samples(run, samples, denoised, Path(out), Path(source))
    told = about_noise(run, samples)
    return replace(written, said=(*written.said, *told))


def keep_inputs(run: Run, source: str | Path, out: str | Path) -> None:
    """Raises: UsageError if writing to `out` would replace what is read, add to it, or replace the run's own data."""
    data = run.config.data
    refuse_inputs(out, source, kept=[path for path in (data.source, data.validation, data.test) if path])


def about_noise(run: Run, samples: Samples) -> tuple[str, ...]:
    """What the noise of the input says about using this denoiser, as a sentence or none."""
    from isthmus.verdicts import judge_noise

    estimates = run.metrics.get("denoising", {}).get("estimates")
    if estimates is None or not samples.is_image:
        return ()
    x = run.model.preprocess.to_x(torch.from_numpy(np.array(samples.x[:NOISE_LOOKED_AT])))
    verdict = judge_noise(x, estimates, noise=run.config.model.noise, path=str(run.path))
    return () if verdict.level == "pass" else (verdict.text,)


def encode(run: Run, source: str | Path, out: str | Path, settings: Mapping[str, Any] | None = None) -> Written:
    """Writes the code of every sample: .csv or .parquet with `id`, `label` if known, `z0` …; .npy the codes alone."""
    target = Path(out)
    keep_inputs(run, source, out)
    if target.suffix not in TABLES | {".npy"}:
        raise UsageError(
            "USAGE-OUT",
            f"codes cannot be written as {target.suffix or 'a folder'}.",
            fix="name a .csv, .parquet or .npy file with -o",
        )
    samples = read_input(run, source, settings)
    z = run.model.encode(samples.x)
    if target.suffix == ".npy":
        write_atomic(target, lambda part: np.save(part, z, allow_pickle=False))
        return Written(target, len(z), samples.notes)
    columns: dict[str, Any] = {"id": [samples.id_of(i) for i in range(len(z))]}
    if samples.labels is not None:
        columns["label"] = [samples.classes[k] if k >= 0 else "" for k in samples.labels]
    _write_table(target, columns | {f"z{i}": z[:, i] for i in range(z.shape[1])})
    return Written(target, len(z), (*samples.notes, *about_formulas(target, columns)))


def decode(run: Run, codes: str | Path, out: str | Path) -> Written:
    """Writes what the decoder makes of a table or array of codes.

    Raises: DataError if the codes are not (N, z_size) finite numbers.
    """
    keep_inputs(run, codes, out)
    z, ids = read_codes(Path(codes), run.model.z_size)
    raw = run.model.decode(z)
    preprocess = run.model.preprocess
    samples = Samples(raw, Path(codes).stem, ids=ids, columns=preprocess.columns)
    return write_samples(run, samples, raw, Path(out), Path(codes))


def read_codes(path: Path, z_size: int) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Codes (N, z_size) and their ids, from the files that `encode` writes."""
    from isthmus.data.arrays import read_npy
    from isthmus.data.tables import read_table

    ids = None
    if path.suffix == ".npy":
        z = read_npy(path, DataConfig(scale="none")).x
    else:
        import polars as pl

        as_text = partial(pl.read_csv, infer_schema=False)  # or an id such as 007 would lose its zeros
        read = pl.read_parquet if path.suffix == ".parquet" else as_text
        names = read(path, n_rows=0).columns if path.is_file() else []
        beside = tuple(n for n in names if n in {"id", "label"})
        options = DataConfig(drop_columns=beside, header="yes", scale="none", shape="table")
        z = read_table(path, options, expected=[f"z{i}" for i in range(z_size)]).x
        if "id" in names:
            ids = tuple(map(str, read(path, columns=["id"])["id"]))
            ids = ids if path.suffix == ".parquet" else tuple(without_apostrophes(ids))
    if z.ndim != 2 or z.shape[1] != z_size:
        fix = "give codes that `isthmus encode` wrote with this run"
        raise DataError("DATA-CODES", f"{path} holds codes of shape {z.shape}; the model takes (N, {z_size}).", fix=fix)
    return np.asarray(z, np.float32), ids


def write_samples(run: Run, samples: Samples, raw: Any, out: Path, source: Path) -> Written:
    """Raw samples to `out`: .npy, a table, one image file, or a folder of images under their own names."""
    raw, said = np.asarray(raw), samples.notes
    if out.suffix == ".npy":
        write_atomic(out, lambda part: np.save(part, raw, allow_pickle=False))
        return Written(out, len(raw), said)
    if out.suffix in TABLES:
        names = samples.columns or tuple(f"pixel{i}" for i in range(run.model.preprocess.size))
        flat = raw.reshape(len(raw), -1)
        labels = {}
        if samples.labels is not None and samples.label_column:
            labels = {samples.label_column: [samples.classes[k] if k >= 0 else "" for k in samples.labels]}
        _write_table(out, labels | {name: flat[:, i] for i, name in enumerate(names)})
        return Written(out, len(raw), said)
    if not samples.is_image:
        raise UsageError(
            "USAGE-OUT",
            f"a table cannot be written as {out.suffix or 'a folder'}.",
            fix="name a .csv or .parquet file with -o",
        )
    from isthmus.data.saving import image_paths, lossless_path, save_image, save_images

    if out.suffix and source.is_file() and len(raw) == 1:
        target = lossless_path(out, raw[0])
        refuse_inputs(target, source)
        refuse_existing(target, out)
        return Written(save_image(out, raw[0]), 1, said)
    if out.suffix and not out.is_dir():
        raise UsageError(
            "USAGE-OUT",
            f"{len(raw):,} images cannot be written into one {out.suffix} file.",
            fix="name a folder, a .npy or a .csv file with -o",
        )
    ids = [samples.id_of(i) for i in range(len(raw))]
    names = [name if Path(name).suffix else f"{name}.png" for name in ids]
    with claimed(out, image_paths(out, raw, names)):
        saved = save_images(out, raw, names)
    return Written(out, len(raw), (*said, *saved.notes))


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    from isthmus.data.tables import write_table

    write_table(path, columns)


__all__ = ["Written", "decode", "denoise", "encode", "read_codes", "read_input", "reconstruct", "write_samples"]
