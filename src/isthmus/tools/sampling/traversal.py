"""The effect of each unit of the code: it is swept over its range of values while all others stay fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.tables.writing import keeps_types, write_table
from isthmus.errors import UsageError
from isthmus.evaluation.figures.column_effects import MOST_UNITS, draw_column_effects
from isthmus.models.autoencoder import Model
from isthmus.runs.latent import Latent
from isthmus.wording import counted

QUANTILES = (0.01, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.99)  # nine columns; the outer values are rare but real
ENDS = (0.05, 0.95)  # a unit's movement is measured between these quantiles: nine tenths of its values
BASES = 64  # training codes over which the movement is averaged: enough for a stable order of units
AT_ONCE = 2**24  # values decoded at once


@dataclass(frozen=True)
class Sweep:
    """Units sorted by how much they change the output, largest change first.

    `movement` (U,) is the root mean square change, per value of x, from the 5 % to the 95 % quantile of a unit, over
    many training codes. `values` (U, Q) are the quantiles; `x` (U, Q, *shape) raw samples; `base` (Z,) the fixed code.
    """

    units: np.ndarray
    movement: np.ndarray
    values: np.ndarray
    x: np.ndarray
    base: np.ndarray


def sweep_units(model: Model, latent: Latent, units: Sequence[int] = (), base: np.ndarray | None = None) -> Sweep:
    """Each of `units` (default: all) swept around `base` (Z,), by default the training code nearest to their mean.

    Raises: UsageError for a unit that the code does not have.
    """
    Z = latent.z_size
    wrong = [u for u in units if not 0 <= u < Z]
    if wrong:
        message = f"there is no unit {wrong[0]}: the code has {counted(Z, 'unit')}, counted from 0."
        raise UsageError("USAGE-UNIT", message, fix=f"choose from 0 to {Z - 1}")
    chosen = np.array(list(dict.fromkeys(units)) or range(Z))
    moved = movements(model, latent, chosen)
    order = np.argsort(-moved, kind="stable")
    chosen, moved = chosen[order], moved[order]
    base = usual_code(latent) if base is None else np.asarray(base, np.float32)
    values = np.quantile(latent.codes[:, chosen], QUANTILES, axis=0).T.astype(np.float32)
    z = np.repeat(base[None], values.size, axis=0)
    z[np.arange(values.size), np.repeat(chosen, len(QUANTILES))] = values.ravel()
    x = model.decode(z)
    return Sweep(chosen, moved, values, x.reshape(*values.shape, *x.shape[1:]), base)


def usual_code(latent: Latent) -> np.ndarray:
    """The training code nearest to the mean, with each unit scaled by its standard deviation."""
    scale = np.where(latent.std > 0, latent.std, 1.0)
    return latent.codes[np.square((latent.codes - latent.mean) / scale).sum(1).argmin()]


def column_sheet(model: Model, latent: Latent, found: Sweep) -> Figure:
    """The picture of a sweep for a table with columns of several kinds: the effect of each unit on each column."""
    schema = model.preprocess.schema
    assert schema is not None
    units = found.units[:MOST_UNITS].tolist()
    are_names = [column.kind in {"category", "yes-no"} for column in schema.modeled]
    return draw_column_effects(column_effects(model, latent, units), units, schema.names, are_names)


def write_sweep(preprocess: Preprocess, found: Sweep, out: Path) -> None:
    """Writes one row per unit and quantile; for a run on a table, with the value of each column."""
    U, Q = found.values.shape
    columns: dict[str, Any] = {
        "unit": np.repeat(found.units, Q),
        "movement": np.repeat(found.movement, Q),
        "quantile": np.tile(QUANTILES, U),
        "value": found.values.ravel(),
    }
    if not preprocess.is_image:
        columns |= preprocess.cells(found.x.reshape(U * Q, -1), typed=keeps_types(out))
    write_table(out, columns)


def column_effects(model: Model, latent: Latent, units: Sequence[int]) -> np.ndarray:
    """(U, K) the effect of each unit on each column of a table with columns of several kinds, from its lower to its
    upper end, averaged over training codes. For quantities and times: the change in standard deviations of the column;
    for names: the share of rows whose name changes.
    """
    encoding = model.preprocess.encoding
    assert encoding is not None
    bases = latent.codes[:: max(1, len(latent.codes) // BASES)][:BASES]
    found = np.zeros((len(units), len(encoding.blocks)))
    for i, unit in enumerate(units):
        raw = []
        for end in np.quantile(latent.codes[:, unit], ENDS).astype(np.float32):
            z = bases.copy()
            z[:, unit] = end
            raw.append(torch.from_numpy(np.asarray(model.decode(z), np.float64)))
        apart = (encoding.to_x(raw[1]) - encoding.to_x(raw[0])).mean(0).numpy()
        changed = (raw[1] != raw[0]).double().mean(0).numpy()
        for k, (at, block) in enumerate(zip(encoding.places, encoding.blocks, strict=True)):
            found[i, k] = changed[k] if block.kind in {"category", "yes-no"} else apart[at.start]
    return found


def movements(model: Model, latent: Latent, units: np.ndarray) -> np.ndarray:
    """(U,) root mean square change of the output, per value of x, from the lower to the upper end of each unit."""
    bases = latent.codes[:: max(1, len(latent.codes) // BASES)][:BASES]
    ends = np.quantile(latent.codes[:, units], ENDS, axis=0).astype(np.float32)
    step = max(1, AT_ONCE // (2 * len(bases) * model.preprocess.size))
    moved = []
    for start in range(0, len(units), step):
        part = units[start : start + step]
        z = np.broadcast_to(bases, (2, len(part), *bases.shape)).copy()
        for i, unit in enumerate(part):
            z[:, i, :, unit] = ends[:, start + i, None]
        raw = torch.from_numpy(model.decode(z.reshape(-1, bases.shape[1])))
        x = model.preprocess.to_x(raw).reshape(2, len(part), -1)
        moved.append((x[1] - x[0]).square().mean(1).sqrt().numpy())
    return np.concatenate(moved)


__all__ = ["Sweep", "column_effects", "column_sheet", "sweep_units", "write_sweep"]
