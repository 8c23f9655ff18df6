"""New samples, ways between two samples, and sweeps of the code's units, put to files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.images.saving import save_images
from isthmus.data.samples import Samples
from isthmus.data.tables.writing import about_formulas, write_table
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.figures import figures, strips
from isthmus.evaluation.figures.animation import write_animation
from isthmus.evaluation.figures.data_pictures import as_pictures
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import refuse_without_code
from isthmus.system.files import write_atomic
from isthmus.system.outputs import claimed
from isthmus.tools.inference.apply import write_samples
from isthmus.tools.inference.intake import raw_of
from isthmus.tools.inference.picking import parted, pick_one
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.tools.sampling.interpolation import PATHS, blend, refuse_discrete
from isthmus.tools.sampling.resemblance import Resemblance, resemblance, training_rows_of
from isthmus.tools.sampling.sampling import PRIOR, Sampled, draw_samples, has_prior
from isthmus.tools.sampling.traversal import QUANTILES, Sweep, column_sheet, sweep_units, write_sweep

MOST_IN_GRID = 400  # 20 x 20: of more, each would be too small to be seen
JUDGED = 1_000  # samples that are drawn to be judged, however few are asked for
ANIMATED = 4  # frames of the animation for each one that is kept


@dataclass(frozen=True)
class Made:
    """What was written: the `paths`, the number of samples, sentences for people, and more for scripts."""

    out: Path
    n: int
    said: tuple[str, ...]
    about: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"out": str(self.out), "n": self.n, "said": list(self.said), **self.about}


def sample(
    run: RunFolder, n: int, out: str | Path, *, density: str = "auto", of: str | None = None, seed: int = 0,
    temperature: float = 1.0, judge: bool = True,
) -> Made:  # fmt: skip
    """Draws n new samples and writes them: a folder (images/, grid.png, nearest.png), one picture, a table or .npy.

    With `judge` their precision and recall, and whether they are copies, are told; samples beyond n are drawn for that
    where n is small.

    Raises: as `draw_samples`; UsageError for an `out` that cannot hold them.
    """
    target = Path(out)
    keep_inputs(run, run.path, target)
    _refuse_suffix(run, target, {".png", ".npy", *TABLES})
    drawn = draw_samples(
        run, max(n, JUDGED if judge else 0), density=density, of=of, seed=seed, temperature=temperature
    )
    found, said = None, [f"drawn from {drawn.source}"]
    if density == "auto" and drawn.source == PRIOR:
        said.append("--density mixture follows the training codes more closely than the prior does")
    if judge:
        try:
            found = resemblance(run, drawn.x, of)
            said += [found.text, found.copies.text]
        except DataError as error:
            said.append(f"not compared with real samples: {error.message}")
    kept = Sampled(drawn.x[:n], drawn.z[:n], drawn.source, drawn.labels and drawn.labels[:n])
    if target.suffix in {"", ".png"} and n > MOST_IN_GRID:
        said.append(f"the grid shows the first {MOST_IN_GRID}")
    said += _write_sampled(run, kept, target, found, of)
    about = {"source": drawn.source, "seed": seed, "quality": found.as_dict() if found else None}
    return Made(target, n, tuple(said), about)


def _write_sampled(
    run: RunFolder, drawn: Sampled, out: Path, found: Resemblance | None, of: str | None
) -> tuple[str, ...]:
    names = [f"{i:0{len(str(len(drawn.x) - 1))}d}" for i in range(len(drawn.x))]
    if out.suffix == ".png":
        figures.save(_grid(run, drawn.x), out)
        return ()
    if out.suffix:
        return write_samples(run, _as_samples(run, drawn, names), drawn.x, out, run.path).said
    files = [f"images/{name}{run.model.preprocess.suffix}" for name in names]
    extra = ["grid.png", "nearest.png"] if found else ["grid.png"]
    with claimed(out, [out / name for name in (*files, *extra)]):
        save_images(out, run.model.preprocess.as_kept(drawn.x), files, **run.model.preprocess.stored_as)
        figures.save(_grid(run, drawn.x), out / "grid.png")
        if found:
            figures.save(_beside_nearest(run, drawn, found, of), out / "nearest.png")
    return ()


def _grid(run: RunFolder, x: np.ndarray) -> Any:
    x = x[:MOST_IN_GRID]
    return figures.grid(visible(run, x), math.ceil(math.sqrt(len(x))))


def _beside_nearest(run: RunFolder, drawn: Sampled, found: Resemblance, of: str | None) -> Any:
    prepared, copies = run.prepared, found.copies
    few = min(len(drawn.x), len(copies.rows))
    rows = training_rows_of(prepared, of)[copies.rows[:few]]
    train = prepared.splits.train
    ids = [train.id_of(int(row)) for row in rows]
    nearest = visible(run, train.x[rows])
    return strips.beside_nearest(visible(run, drawn.x[:few]), nearest, copies.distances[:few], ids, copies.limit)


def interpolate(
    run: RunFolder, a: str, b: str, out: str | Path, *, steps: int = 12, path: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """Writes the way from sample a to sample b: a folder (strip.png, frames/, a .webp a path), or one of these alone.

    `a` and `b` are as for `picking.pick_one`. `path` is "straight" or "spherical"; None for both.

    Raises: UsageError for a code without anything between; as `pick_one`.
    """
    target, paths = Path(out), PATHS if path is None else (path,)
    for source in (a, b):
        keep_inputs(run, parted(source)[0], target)
    _refuse_suffix(run, target, {".png", ".webp", ".npy", *TABLES})
    if target.suffix in {".webp", ".npy"} and len(paths) > 1:
        message = f"{target.name} holds one path."
        raise UsageError(
            "USAGE-PATH", message, fix="pass --path straight or --path spherical, or name a folder with -o"
        )
    ends = [pick_one(run, text, settings) for text in (a, b)]
    given = np.concatenate([samples.x for samples in ends])
    ways = {name: interpolated(run, given[0], given[1], steps, name) for name in paths}
    _write_ways(run, ways, given, target, steps)
    z = run.coder.encode(given)
    distance = float(np.linalg.norm(z[1] - z[0]))
    about = {"steps": steps, "paths": list(paths), "a": ends[0].id_of(0), "b": ends[1].id_of(0), "distance": distance}
    said = dict.fromkeys([*ends[0].notes, *ends[1].notes, *_about_columns(run, target)])
    return Made(target, steps * len(paths), tuple(said), about)


def interpolated(run: RunFolder, a: Any, b: Any, steps: int = 12, path: str = "straight") -> np.ndarray:
    """Raw samples (steps, *shape) on the way between two raw samples, each of any kind that `Model.encode` takes; the
    ends are their reconstructions.

    "spherical" turns around the mean of the training codes, or around zero where the codes have a prior.

    Raises: UsageError for a model without a continuous code, or where several samples are given for one; DataError as
    `Model.encode`.
    """
    refuse_without_code(run.model)
    model = run.coder
    refuse_discrete(model, "interpolation")
    z = model.encode(np.concatenate([_one(run, a, "the first"), _one(run, b, "the second")]))
    center = None if path == "straight" or has_prior(model) else run.latent.mean
    return model.decode(blend(z[0], z[1], steps, path, center))


def _one(run: RunFolder, given: Any, what: str) -> np.ndarray:
    """The one raw sample (1, *shape) that is given for an end."""
    raw = raw_of(run, given)
    if len(raw) != 1:
        message = f"{what} end of the way is given as {len(raw):,} samples; it is one."
        raise UsageError("USAGE-PICK", message, fix="hand over one sample, such as x[:1]")
    return raw


def _write_ways(run: RunFolder, ways: dict[str, np.ndarray], given: np.ndarray, out: Path, steps: int) -> None:
    if out.suffix in TABLES:
        columns: dict[str, Any] = {"path": [p for p in ways for _ in range(steps)], "step": [*range(steps)] * len(ways)}
        flat = np.concatenate(list(ways.values())).reshape(steps * len(ways), -1)
        write_table(out, columns | run.model.preprocess.cells(flat))
        return
    first = next(iter(ways.values()))
    if out.suffix == ".npy":
        write_atomic(out, lambda part: np.save(part, first, allow_pickle=False))
        return
    fine = {name: interpolated(run, given[0], given[1], ANIMATED * (steps - 1) + 1, name) for name in ways}
    if out.suffix == ".webp":
        write_animation(out, visible(run, fine[next(iter(ways))]))
        return
    strip = strips.between(visible(run, given), {name: visible(run, way) for name, way in ways.items()})
    if out.suffix == ".png":
        figures.save(strip, out)
        return
    preprocess = run.model.preprocess
    frames = {
        f"frames/{name}-{i:0{len(str(steps - 1))}d}{preprocess.suffix}": preprocess.as_kept(x)
        for name, way in ways.items()
        for i, x in enumerate(way)
    }
    with claimed(out, [out / name for name in (*frames, "strip.png", *(f"{name}.webp" for name in ways))]):
        save_images(out, list(frames.values()), list(frames), **preprocess.stored_as)
        figures.save(strip, out / "strip.png")
        for name, way in fine.items():
            write_animation(out / f"{name}.webp", visible(run, way))


def traverse(
    run: RunFolder, out: str | Path, *, units: Sequence[int] = (), around: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """Sweeps units of the code over the values that they take and writes a sheet (.png), a table, or a folder of both.

    `units`: those to sweep, by default all, of which the sheet shows the 20 that move the picture most. `around`: the
    sample whose code is changed, as for `picking.pick_one`; by default the most usual one.

    Raises: UsageError for a unit that is not there, or a code without anything between.
    """
    target = Path(out)
    keep_inputs(run, parted(around)[0] if around else run.path, target)
    if run.model.preprocess.schema is None or target.suffix != ".png":
        _refuse_suffix(run, target, {".png", *TABLES})
    refuse_without_code(run.model)
    refuse_discrete(run.coder, "a sweep of its units")
    base = None if around is None else run.coder.encode(pick_one(run, around, settings).x)[0]
    found = sweep_units(run.coder, run.latent, units, base)
    if target.suffix in TABLES:
        write_sweep(run.model.preprocess, found, target)
    elif target.suffix:
        figures.save(_sweep_sheet(run, found), target)
    else:
        with claimed(target, [target / "traverse.png", target / "units.csv"]):
            figures.save(_sweep_sheet(run, found), target / "traverse.png")
            write_sweep(run.model.preprocess, found, target / "units.csv")
    moved = dict(zip(found.units.tolist(), found.movement.tolist(), strict=True))
    most = ", ".join(map(str, found.units[:5].tolist()))
    left = len(found.units) - strips.MOST_ROWS
    said = [f"the units that move the output most: {most}"]
    said += [f"the sheet shows {strips.MOST_ROWS}; {left} others move it less"] if left > 0 else []
    said += _about_columns(run, target if target.suffix else target / "units.csv")
    return Made(target, len(found.units), tuple(said), {"movement": {str(k): v for k, v in moved.items()}})


def _sweep_sheet(run: RunFolder, found: Sweep) -> Any:
    if run.model.preprocess.schema is not None:
        return column_sheet(run.coder, run.latent, found)
    U, Q, *shape = found.x[: strips.MOST_ROWS].shape
    x = visible(run, found.x[:U].reshape(U * Q, *shape)).reshape(U, Q, *shape)
    return strips.sweeps(x, found.units.tolist(), found.movement.tolist(), found.values, QUANTILES)


def visible(run: RunFolder, raw: np.ndarray) -> np.ndarray:
    """Raw images as floats in [0, 1], to be drawn."""
    known = run.model.preprocess
    return as_pictures(known.to_x(torch.from_numpy(np.array(raw))), of=known)


def _as_samples(run: RunFolder, drawn: Sampled, names: Sequence[str]) -> Samples:
    preprocess = run.model.preprocess
    labels = None if drawn.labels is None else np.zeros(len(drawn.x), np.int64)
    known = (
        {"labels": labels, "classes": drawn.labels[:1], "label_column": preprocess.label_column} if drawn.labels else {}
    )
    return Samples(drawn.x, "samples", ids=tuple(names), columns=preprocess.columns, **known)


def _columns(run: RunFolder) -> tuple[str, ...]:
    preprocess = run.model.preprocess
    return preprocess.columns or tuple(f"{preprocess.unit}{i}" for i in range(math.prod(preprocess.raw_shape)))


def _about_columns(run: RunFolder, out: Path) -> tuple[str, ...]:
    """What `write_table` does to names of columns of the run's own."""
    return about_formulas(out, {name: np.empty(0) for name in _columns(run)})


def _refuse_suffix(run: RunFolder, out: Path, known: set[str]) -> None:
    """Raises: UsageError where `out` is of a kind that cannot hold what is to be written."""
    drawn = {"", ".png", ".webp"}
    allowed = known | {""} if run.model.preprocess.is_image else known - drawn
    if out.suffix.lower() not in allowed:
        *others, last = [*sorted(allowed - {""}), *(["a folder"] if "" in allowed else [])]
        forms = f"{', '.join(others)} or {last}"
        message = f"{out} cannot hold this: it is written as {forms}."
        if out.suffix.lower() in drawn and not run.model.preprocess.is_image:
            message = f"{out} would hold pictures, and rows of a table make none."
        raise UsageError("USAGE-OUT", message, fix=f"name one of {forms} with -o")


__all__ = ["Made", "interpolate", "interpolated", "sample", "traverse"]
