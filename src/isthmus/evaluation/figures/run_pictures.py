"""The pictures of a run folder, drawn from the trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.samples import Samples
from isthmus.data.tables.cell_conversion import to_cells
from isthmus.data.tables.writing import write_table
from isthmus.evaluation.figures import figures, network_drawing
from isthmus.evaluation.figures.cost_curves import draw_costs
from isthmus.evaluation.figures.data_pictures import as_pictures, class_samples, one_of_each
from isthmus.evaluation.metrics.forward_pass import Passed, has_truth, pass_through
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.system import files
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import Prepared

SHOWN = 10  # columns of a picture: one per digit, and as many as fit next to each other
WORST = 10


def draw_pictures(
    path: Path,
    prepared: Prepared,
    model: AbstractModel,
    monitor: TrainingMonitor,
    metrics: dict[str, Any],
    unit: str,
    passed: Passed | None = None,
) -> None:
    """Writes the pictures of the run into `path`; for a table, the curves, the worst rows and the network."""
    test = prepared.splits.test
    passed = passed or pass_through(model, prepared.pairs(test), prepared.config.training.seed)
    floor = metrics["test"].get("bce_floor")
    sample = "image" if prepared.preprocess.is_image else "row" if prepared.splits.series is None else "window"
    name = f"mean {sample}"
    reference = {name: metrics["mean_cost"]} if metrics.get("mean_cost") else None
    costs = {"floor": floor, "unit": unit, "reference": reference}
    draw_costs(monitor.history, path, best_epoch=monitor.best_epoch, **costs)
    draw_architecture(path, prepared, model)
    if not prepared.preprocess.is_image:
        write_worst(path / "worst.csv", test, passed)
        return
    figures.save(class_samples(prepared.splits.train), path / "data.png")
    rows = one_of_each(test, SHOWN)
    names = [test.classes[k] for k in test.labels[rows]] if test.labels is not None and test.classes else None
    worst = torch.argsort(passed.errors, descending=True)[:WORST].tolist()
    seen = passed.rows([*rows, *worst])
    clean = without_noise(model, seen.x[: len(rows)])
    figures.save(figures.sanity(*clean, labels=names, signed=model.bottleneck.signed), path / "sanity.png")
    if model.config.noise != "none":
        x, x_in, x_hat = (as_pictures(t[: len(rows)], seen.x[: len(rows)], of=prepared.preprocess) for t in seen)
        z = passed.z[rows].numpy() if passed.z is not None else None
        sheet = figures.removed(x_in, x_hat)
        if has_truth(model, passed.data):
            sheet = figures.denoising(x_in, z, x_hat, x, signed=model.bottleneck.signed)
        figures.save(sheet, path / "denoising.png")
    x, x_hat = (as_pictures(t[len(rows) :], seen.x[len(rows) :], of=prepared.preprocess) for t in (seen.x, seen.x_hat))
    ids = [test.id_of(i) for i in worst]
    figures.save(figures.worst(x, x_hat, passed.errors[worst].numpy(), ids), path / "worst.png")


def without_noise(model: AbstractModel, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """(original, code, reconstruction) of clean x, for the sanity check, also for denoisers."""
    with torch.no_grad(), evaluation(model):
        params, code = model(x.to(model.device))
        x_hat = model.likelihood.mean(params.float()).cpu()
    z = code.z.float().flatten(1).cpu().numpy() if model.has_code else None
    return as_pictures(x, of=model.preprocess), z, as_pictures(x_hat, x, of=model.preprocess)


def draw_architecture(path: Path, prepared: Prepared, model: AbstractModel) -> None:
    """`architecture.svg`: a drawing of the network."""
    c = prepared.config
    title = f"{prepared.splits.train.name}, recipe {c.recipe}"
    layers = network_drawing.layers_of(model)
    svg = network_drawing.architecture_svg(
        layers, title=title, subtitle="", corruption=model.config.noise, likelihood=c.model.likelihood
    )
    files.write_text(path / "architecture.svg", svg)


def write_worst(path: Path, test: Samples, passed: Passed) -> None:
    """`worst.csv`: the ten rows with the largest errors, all their values, and the column with the largest error."""
    worst = torch.argsort(passed.errors, descending=True)[:WORST].tolist()
    seen = passed.rows(worst)
    names = list(test.columns or (f"x{i}" for i in range(test.shape[0])))
    columns: dict[str, Any] = {"id": [test.id_of(i) for i in worst], "mse": passed.errors[worst].numpy()}
    preprocess = passed.model.preprocess
    errors = preprocess.by_column((seen.x - preprocess.known_only(seen.x, seen.x_hat)).square())
    columns["worst_column"] = [names[int(i)] for i in errors.argmax(1)]
    if test.schema is not None:
        columns |= to_cells(test.x[worst], test.schema)
    else:
        columns |= {name: test.x[worst, k] for k, name in enumerate(names)}
    write_table(path, columns)
