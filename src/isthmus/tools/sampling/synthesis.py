"""Writes new samples, and sweeps of the units of the code, to files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.images.saving import save_images
from isthmus.data.samples import Samples
from isthmus.errors import DataError
from isthmus.evaluation.figures import figures, strips
from isthmus.evaluation.figures.column_effects import MOST_UNITS
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import refuse_without_code
from isthmus.system.outputs import claimed, free_path
from isthmus.system.progress import tell
from isthmus.tools.inference.picking import parted, pick_one
from isthmus.tools.inference.sample_writing import write_samples
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.tools.sampling.interpolation import refuse_discrete
from isthmus.tools.sampling.made import Made, about_columns, refuse_suffix, visible
from isthmus.tools.sampling.resemblance import Resemblance, resemblance, training_rows_of
from isthmus.tools.sampling.sampling import PRIOR, Sampled, draw_samples
from isthmus.tools.sampling.traversal import QUANTILES, Sweep, column_sheet, sweep_units, write_sweep
from isthmus.wording import counted

MOST_IN_GRID = 400  # 20 x 20: with more, each would be too small to see
JUDGED = 1_000  # samples drawn for the judgment, even if fewer are requested


def sample(
    run: RunFolder, n: int, out: str | Path, *, density: str = "auto", of: str | None = None, seed: int = 0,
    temperature: float = 1.0, judge: bool = True,
) -> Made:  # fmt: skip
    """Draws n new samples and writes them: a folder (images/, grid.png, nearest.png), one picture, a table or .npy.

    `judge`: report their precision and recall, and whether they are copies; if n is small, more samples are drawn for
    that.

    Raises: like `draw_samples`; UsageError for an unsuitable `out`.
    """
    target = Path(out)
    keep_inputs(run, run.path, target)
    refuse_suffix(run, target, {".png", ".npy", *TABLES})
    tell(f"drawing {counted(n, 'sample')}")
    drawn = draw_samples(
        run, max(n, JUDGED if judge else 0), density=density, of=of, seed=seed, temperature=temperature
    )
    found, said = None, [f"drawn from {drawn.source}"]
    if density == "auto" and drawn.source == PRIOR:
        said.append("--density mixture follows the training codes more closely than the prior does")
    if judge:
        tell("comparing them with real samples")
        try:
            found = resemblance(run, drawn.x, of)
            said += [found.text, found.copies.text]
        except DataError as error:
            said.append(f"not compared with real samples: {error.message}")
    kept = Sampled(drawn.x[:n], drawn.z[:n], drawn.source, drawn.labels and drawn.labels[:n])
    if target.suffix in {"", ".png"} and n > MOST_IN_GRID:
        said.append(f"the grid shows the first {MOST_IN_GRID} samples")
    tell("writing them")
    more, files = _write_sampled(run, kept, target, found, of)
    said += more
    about = {"source": drawn.source, "seed": seed, "quality": found.as_dict() if found else None}
    return Made(target, n, tuple(said), about, files)


def _write_sampled(
    run: RunFolder, drawn: Sampled, out: Path, found: Resemblance | None, of: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(notes, the files next to `out` or inside it)."""
    names = [f"{i:0{len(str(len(drawn.x) - 1))}d}" for i in range(len(drawn.x))]
    if out.suffix == ".png":
        return (), _write_picture(run, drawn, out, found, of)
    if out.suffix:
        return write_samples(run, _as_samples(run, drawn, names), drawn.x, out, run.path).said, ()
    files = [f"images/{name}{run.model.preprocess.suffix}" for name in names]
    extra = ["grid.png", "nearest.png"] if found else ["grid.png"]
    with claimed(out, [out / name for name in (*files, *extra)]):
        save_images(out, run.model.preprocess.as_kept(drawn.x), files, **run.model.preprocess.stored_as)
        figures.save(_grid(run, drawn.x), out / "grid.png")
        if found:
            figures.save(_beside_nearest(run, drawn, found, of), out / "nearest.png")
    return (), (*extra, *files)


def _write_picture(
    run: RunFolder, drawn: Sampled, out: Path, found: Resemblance | None, of: str | None
) -> tuple[str, ...]:
    """Writes the samples as one picture and, if they were judged, another with the nearest training sample of each."""
    figures.save(_grid(run, drawn.x), out)
    if not found:
        return (out.name,)
    nearest = free_path(out.with_stem(f"{out.stem}-nearest"))
    figures.save(_beside_nearest(run, drawn, found, of), nearest)
    return out.name, nearest.name


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


def traverse(
    run: RunFolder, out: str | Path, *, units: Sequence[int] = (), around: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """Sweeps units of the code over their range of values and writes a sheet (.png), a table, or a folder with both.

    `units`: the units to sweep, by default all; the sheet shows the 12 that change the output most, for
    columns of several kinds 20. `around`: the
    sample whose code is changed, as for `picking.pick_one`; by default the most typical one.

    Raises: UsageError for a unit that does not exist, or a discrete code.
    """
    target = Path(out)
    keep_inputs(run, parted(around)[0] if around else run.path, target)
    if run.model.preprocess.schema is None or target.suffix != ".png":
        refuse_suffix(run, target, {".png", *TABLES})
    refuse_without_code(run.model)
    refuse_discrete(run.coder, "a sweep of the units")
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
    n, first = len(found.units), ", ".join(map(str, found.units[:5].tolist()))
    said = [f"the {'unit that changes' if n == 1 else 'units that change'} the output most: {first}"]
    drawn = MOST_UNITS if run.model.preprocess.schema is not None else strips.MOST_ROWS
    if n > drawn and target.suffix not in TABLES:
        said.append(f"the sheet shows {drawn} of {n} units, those that change the output most")
    said += about_columns(run, target if target.suffix else target / "units.csv")
    return Made(target, len(found.units), tuple(said), {"movement": {str(k): v for k, v in moved.items()}})


def _sweep_sheet(run: RunFolder, found: Sweep) -> Any:
    if run.model.preprocess.schema is not None:
        return column_sheet(run.coder, run.latent, found)
    U, Q, *shape = found.x[: strips.MOST_ROWS].shape
    seen = visible(run, found.x[:U].reshape(U * Q, *shape))  # transparency is drawn over a background
    x = seen.reshape(U, Q, *seen.shape[1:])
    return strips.sweeps(x, found.units.tolist(), found.movement.tolist(), found.values, QUANTILES)


def _as_samples(run: RunFolder, drawn: Sampled, names: Sequence[str]) -> Samples:
    preprocess = run.model.preprocess
    labels = None if drawn.labels is None else np.zeros(len(drawn.x), np.int64)
    known = (
        {"labels": labels, "classes": drawn.labels[:1], "label_column": preprocess.label_column} if drawn.labels else {}
    )
    return Samples(drawn.x, "samples", ids=tuple(names), columns=preprocess.columns, **known)


__all__ = ["sample", "traverse"]
