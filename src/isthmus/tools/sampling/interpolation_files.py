"""Writes the path from one sample to another to files: a strip, frames, animations, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.images.saving import save_images
from isthmus.data.samples import Samples
from isthmus.data.tables.writing import keeps_types, write_table
from isthmus.errors import UsageError
from isthmus.evaluation.figures import figures, strips
from isthmus.evaluation.figures.animation import write_animation
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import refuse_without_code
from isthmus.system.files import write_atomic
from isthmus.system.outputs import claimed
from isthmus.tools.inference.intake import raw_of
from isthmus.tools.inference.picking import parted, pick_one
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.tools.sampling.interpolation import PATHS, blend, refuse_discrete
from isthmus.tools.sampling.made import Made, about_columns, refuse_suffix, visible
from isthmus.tools.sampling.sampling import has_prior
from isthmus.wording import elided

CAPTION = 24  # characters of the name above each end of a path: as wide as two small pictures
ANIMATED = 4  # frames of the animation per saved frame


def interpolate(
    run: RunFolder, a: str, b: str, out: str | Path, *, steps: int = 12, path: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """Writes the path from sample a to sample b: a folder (strip.png, frames/, one .webp per path), or one of these.

    `a` and `b` are as for `picking.pick_one`. `path` is "straight" or "spherical"; None for both.

    Raises: UsageError for a discrete code; like `pick_one`.
    """
    target, paths = Path(out), PATHS if path is None else (path,)
    for source in (a, b):
        keep_inputs(run, parted(source)[0], target)
    refuse_suffix(run, target, {".png", ".webp", ".npy", *TABLES})
    if target.suffix in {".webp", ".npy"} and len(paths) > 1:
        message = f"{target.name} can hold only one path."
        other = "a folder" if run.model.preprocess.is_image else "a .csv file"
        fix = f"pass --path straight or --path spherical, or name {other} with -o"
        raise UsageError("USAGE-PATH", message, fix=fix)
    ends = [pick_one(run, text, settings) for text in (a, b)]
    given = np.concatenate([samples.x for samples in ends])
    ways = {name: interpolated(run, given[0], given[1], steps, name) for name in paths}
    captions = [_caption(samples) for samples in ends]
    files = _write_ways(run, ways, given, captions, target, steps)
    z = run.coder.encode(given)
    distance = float(np.linalg.norm(z[1] - z[0]))
    about = {"steps": steps, "paths": list(paths), "a": ends[0].id_of(0), "b": ends[1].id_of(0), "distance": distance}
    said = dict.fromkeys([*ends[0].notes, *ends[1].notes, *about_columns(run, target)])
    return Made(target, steps * len(paths), tuple(said), about, files)


def _caption(samples: Samples) -> str:
    """The id of a sample and its class, if it has one that the folder in the id does not say already."""
    name, label = samples.id_of(0), "" if samples.labels is None else samples.all_labels()[0]
    said = not label or name.startswith(f"{label}/")
    name = f"row {name}" if name.isdecimal() else name
    return elided(name if said else f"{name}, class {label}", CAPTION)


def interpolated(run: RunFolder, a: Any, b: Any, steps: int = 12, path: str = "straight") -> np.ndarray:
    """Raw samples (steps, *shape) on the path between two raw samples, of any type that `Model.encode` takes; the ends
    are their reconstructions.

    "spherical" turns around the mean of the training codes, or around zero if the codes have a prior.

    Raises: UsageError for a model without a continuous code, or if an end has several samples; DataError like
    `Model.encode`.
    """
    refuse_without_code(run.model)
    model = run.coder
    refuse_discrete(model, "interpolation")
    z = model.encode(np.concatenate([_one(run, a, "the first"), _one(run, b, "the second")]))
    center = None if path == "straight" or has_prior(model) else run.latent.mean
    return model.decode(blend(z[0], z[1], steps, path, center))


def interpolated_like(run: RunFolder, a: Any, b: Any, steps: int, path: str) -> Any:
    """Like `interpolated`; if `a` is a data frame (polars, pandas) or a row of one, a frame with the same types."""
    return Carrier(a, run.model.preprocess).rows_like(interpolated(run, a, b, steps, path))


def _one(run: RunFolder, given: Any, what: str) -> np.ndarray:
    """The single raw sample (1, *shape) for one end."""
    raw = raw_of(run, given)
    if len(raw) != 1:
        message = f"{what} end of the path has {len(raw):,} samples; it must be one."
        raise UsageError("USAGE-PICK", message, fix="pass one sample, such as x[:1]")
    return raw


def _write_ways(
    run: RunFolder, ways: dict[str, np.ndarray], given: np.ndarray, captions: Sequence[str], out: Path, steps: int
) -> tuple[str, ...]:
    """Writes the paths in the format of `out`; returns the names of the files if it is a folder."""
    if out.suffix in TABLES:
        columns: dict[str, Any] = {"path": [p for p in ways for _ in range(steps)], "step": [*range(steps)] * len(ways)}
        flat = np.concatenate(list(ways.values())).reshape(steps * len(ways), -1)
        write_table(out, columns | run.model.preprocess.cells(flat, typed=keeps_types(out)))
        return ()
    first = next(iter(ways.values()))
    if out.suffix == ".npy":
        write_atomic(out, lambda part: np.save(part, first, allow_pickle=False))
        return ()
    fine = {name: interpolated(run, given[0], given[1], ANIMATED * (steps - 1) + 1, name) for name in ways}
    if out.suffix == ".webp":
        write_animation(out, visible(run, fine[next(iter(ways))]))
        return ()
    strip = strips.between(visible(run, given), captions, {name: visible(run, way) for name, way in ways.items()})
    if out.suffix == ".png":
        figures.save(strip, out)
        return ()
    preprocess = run.model.preprocess
    frames = {
        f"frames/{name}-{i:0{len(str(steps - 1))}d}{preprocess.suffix}": preprocess.as_kept(x)
        for name, way in ways.items()
        for i, x in enumerate(way)
    }
    names = ("strip.png", *(f"{name}.webp" for name in ways), *frames)
    with claimed(out, [out / name for name in names]):
        save_images(out, list(frames.values()), list(frames), **preprocess.stored_as)
        figures.save(strip, out / "strip.png")
        for name, way in fine.items():
            write_animation(out / f"{name}.webp", visible(run, way))
    return names


__all__ = ["interpolate", "interpolated", "interpolated_like"]
