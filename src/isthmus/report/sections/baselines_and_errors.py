"""Images on the page: the sanity check, a comparison with baselines, errors by class, the ten worst."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from isthmus.evaluation.figures.data_pictures import as_pictures, one_of_each
from isthmus.evaluation.figures.run_pictures import SHOWN, WORST, without_noise
from isthmus.evaluation.verdicts.cases import finite
from isthmus.report import tiles
from isthmus.report.markup import numeral
from isthmus.report.plots import bar
from isthmus.report.run_data import RunData, Section
from isthmus.wording import counted, three_digits

CODE_REACH = 0.99  # quantile of the codes' sizes for full color: a few outliers would leave all others without color
MOST_CLASSES = 100  # rows of the table by class; if there are more, the worst are shown
NOTHING = 1e-10  # a squared error that is only float32 rounding, for values that vary by 1


def sanity(run_data: RunData) -> Section | None:
    """Ten test images, their codes, and their reconstructions."""
    passed, test, model = run_data.passed, run_data.test, run_data.model
    if passed is None or test is None or model is None or not run_data.is_image:
        return None
    rows = one_of_each(test, SHOWN)
    x, z, x_hat = without_noise(model, passed.inputs(rows))
    errors = np.square(x - x_hat).mean((1, 2, 3))
    pictures = zip(tiles.tiles(x), _codes(z, len(x), signed=model.bottleneck.signed), tiles.tiles(x_hat), strict=True)
    columns = [
        {"name": run_data.class_of(row) or test.id_of(row), "x": a, "z": code, "x_hat": b, "mse": numeral(float(e))}
        for row, (a, code, b), e in zip(rows, pictures, errors, strict=True)
    ]
    content = {
        "columns": columns,
        "sharp": tiles.is_sharp(x.shape),
        "z_size": model.z_size if z is not None else None,
        "height": x.shape[2],
        "width": x.shape[3],
    }
    return Section("sanity", "Sanity check", "sanity.html", _read_sanity(run_data, errors, x), content)


def _codes(z: np.ndarray | None, n: int, *, signed: bool) -> list[str | None]:
    """A sheet of colors for each of n codes; None without codes."""
    if z is None:
        return [None] * n
    columns = math.ceil(math.sqrt(2 * z.shape[1]))
    reach = float(np.quantile(np.abs(z), CODE_REACH)) if z.size else 1.0
    return [tiles.colors(code, columns, reach, signed=signed) for code in z]


def _read_sanity(run_data: RunData, errors: np.ndarray, x: np.ndarray) -> str:
    values = int(np.prod(x.shape[1:]))
    n = run_data.metrics["data"]["n_test"]
    said = [f"Top: {len(x)} of the {n:,} test images, which the network did not see in training."]
    model = run_data.model
    if model is not None and model.has_code:
        color = "blue above zero, red below" if model.bottleneck.signed else "darker blue is larger"
        said.append(
            f"Middle: the code, {counted(model.z_size, 'number')} ({color}), which is all that the decoder gets of the "
            f"image's {values:,} values."
        )
    has_code = model is None or model.has_code
    made = "the reconstruction from the code alone" if has_code else "the output of the network"
    is_clean = run_data.metrics.get("denoising", {}).get("truth", True)
    said.append(f"Bottom: {made}" + ("; the more it looks like the top, the better." if is_clean else "."))
    said.append(
        f"The number is the mean squared error, here from {three_digits(float(errors.min()))} to "
        f"{three_digits(float(errors.max()))}; 0 is a perfect copy."
    )
    if run_data.noise and not is_clean:
        said.append("These images are noisy, like all images of this run: the difference should be noise.")
    elif run_data.noise:
        said.append("These images are clean, although the network was trained on noisy ones, which are shown below.")
    return " ".join(said)


def rivals(run_data: RunData) -> Section | None:
    """The mean image, PCA and the model: the same test images, and the errors on all of them."""
    metrics = run_data.metrics
    found = {"this model": metrics["test"].get("mse")}
    found |= {name: metrics.get("baselines", {}).get(key, {}).get("mse") for key, name in _names(run_data).items()}
    found = {name: mse for name, mse in found.items() if finite(mse)}
    if len(found) < 2:
        return None
    most = max(found.values()) or 1.0  # all errors are 0 if the data never changes
    table = [{"name": name, "mse": numeral(mse), "bar": bar(mse / most, "s0" if not i else "other")}
             for i, (name, mse) in enumerate(found.items())]  # fmt: skip
    content = {"table": table, "rows": _rival_rows(run_data), "sharp": tiles.is_sharp(tuple(metrics["data"]["shape"]))}
    return Section(
        "baselines", "Compared with simple baselines", "baselines.html", _read_rivals(run_data, found), content
    )


def _names(run_data: RunData) -> dict[str, str]:
    k = run_data.metrics.get("baselines", {}).get("pca", {}).get("n_components")
    return {"pca": f"PCA of {counted(k or 0, 'number')}", "mean": f"the mean {run_data.sample}"}


def _rival_rows(run_data: RunData) -> list[dict[str, Any]]:
    """Rows of the same pictures: original, this model, PCA, the mean image; none without the data."""
    passed, prepared, test, known = run_data.passed, run_data.prepared, run_data.test, run_data.rivals
    if passed is None or prepared is None or test is None or known is None or not run_data.is_image:
        return []
    rows = one_of_each(test, SHOWN)
    x, _, x_hat = passed.rows(rows)
    pca, mean = known.x_hat(x, prepared.preprocess.limits), known.mean
    names = [run_data.class_of(row) or test.id_of(row) for row in rows]
    kept = {"original": x, "this model": x_hat, "PCA": pca, "mean image": mean.reshape(x[:1].shape).expand_as(x)}
    all_shown = as_pictures(torch.cat(list(kept.values())), x, of=prepared.preprocess)
    made = []
    for i, (title, images) in enumerate(kept.items()):
        pictures = tiles.tiles(all_shown[i * len(rows) : (i + 1) * len(rows)])
        alts = [
            f"{title} of {n}, error {three_digits(e)}" if i else f"original {n}"
            for n, e in zip(names, _errors(x, images), strict=True)
        ]
        made.append({"title": title, "pictures": list(zip(pictures, alts, strict=True))})
    return made


def _errors(x: torch.Tensor, x_hat: torch.Tensor) -> list[float]:
    return (x - x_hat).square().flatten(1).mean(1).tolist()


def _read_rivals(run_data: RunData, found: dict[str, float]) -> str:
    ours = found.get("this model")
    others = {name: mse for name, mse in found.items() if name != "this model"}
    said = ["An autoencoder is worth its training only if it beats two baselines that need none."]
    said.append(f"The mean {run_data.sample} is the same output for every input;")
    said.append("PCA is the best linear code of the same size.")
    nothing = [name for name, mse in others.items() if mse < NOTHING]
    if nothing:
        name = nothing[0][0].upper() + nothing[0][1:]
        said.append(f"{name} has no error here, because it can represent this data completely.")
    others = {name: mse for name, mse in others.items() if mse >= NOTHING}
    if ours and others:
        ratios = [f"{three_digits(mse / ours)} times as large with {name}" for name, mse in others.items()]
        said.append(f"Shorter bars are better. Compared with this model, the error is {' and '.join(ratios)}.")
    if run_data.noise:
        said.append("PCA gets the clean images here, but this model gets noisy ones, so PCA has the easier task.")
    return " ".join(said)


def _address(name: str) -> str:
    """A row number with "#", or the name of a file."""
    return f"#{name}" if name.isdecimal() else name


def by_class(run_data: RunData) -> Section | None:
    """The mean error of every class, and the ten test samples with the largest error."""
    errors, passed, test = run_data.errors, run_data.passed, run_data.test
    if errors is None or passed is None or test is None or not run_data.is_image:
        return None
    worst = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:WORST]
    seen = passed.rows(worst)
    known = passed.model.preprocess
    x, x_hat = as_pictures(seen.x, of=known), as_pictures(seen.x_hat, seen.x, of=known)
    gaps = np.abs(x - x_hat).mean(1)
    heats = [tiles.heat(gap, float(gaps.max())) for gap in gaps]
    columns = [
        {"id": test.id_of(int(row)), "number": _address(test.id_of(int(row))),
         "class": run_data.class_of(int(row)), "x": a, "x_hat": b, "gap": gap,
         "mse": numeral(float(errors[row]))}
        for row, a, b, gap in zip(worst, tiles.tiles(x), tiles.tiles(x_hat), heats, strict=True)
    ]  # fmt: skip
    classes = class_errors(run_data)
    content = {"columns": columns, "classes": classes[:MOST_CLASSES], "left": max(0, len(classes) - MOST_CLASSES),
               "sharp": tiles.is_sharp(x.shape), "height": x.shape[2], "width": x.shape[3]}  # fmt: skip
    return Section("errors", "Worst cases: where it errs", "errors.html", _read_errors(errors, worst, classes), content)


def class_errors(run_data: RunData) -> list[dict[str, Any]]:
    """Mean error and number of test samples of every class, the worst first."""
    errors, test = run_data.errors, run_data.test
    if errors is None or test is None or test.labels is None or len(test.classes) < 2:
        return []
    found = []
    for k, name in enumerate(test.classes):
        own = errors[test.labels == k]
        if len(own):
            found.append({"name": name, "n": numeral(len(own)), "error": float(own.mean())})
    most = max((row["error"] for row in found), default=1.0)
    found.sort(key=lambda row: -row["error"])
    return [row | {"mse": numeral(row["error"]), "bar": bar(row["error"] / (most or 1.0), "s1")} for row in found]


def _read_errors(errors: np.ndarray, worst: np.ndarray, classes: list[dict[str, Any]]) -> str:
    said = []
    if classes:
        first, last = classes[0], classes[-1]
        said.append(
            f"Class {first['name']} is the hardest to copy, with a mean squared error of "
            f"{three_digits(first['error'])}, and "
            f"class {last['name']} is the easiest, with {three_digits(last['error'])}."
        )
    mean = float(np.mean(errors))
    said.append(
        f"The {len(worst)} worst test images have errors from {three_digits(float(errors[worst[0]]))} down to "
        f"{three_digits(float(errors[worst[-1]]))}; the average is {three_digits(mean)}. Orange marks the differences. "
        "Look here for bad scans, rare shapes, and anything that the network did not learn."
    )
    return " ".join(said)
