"""`isthmus compare`: trains recipes on the same data with the same budget, and lists their metrics in one table."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.named.catalog import name_of
from isthmus.data.named.hub import is_hub
from isthmus.data.tables.writing import write_table
from isthmus.errors import DataError, IsthmusError, UsageError, unknown
from isthmus.evaluation.figures import canvas
from isthmus.evaluation.figures.strips import side_by_side
from isthmus.evaluation.metrics.label_probe import knn_accuracy
from isthmus.pipeline import run_batches
from isthmus.recipes import RECIPES
from isthmus.runs import finding
from isthmus.runs.folder import METRICS, RunFolder
from isthmus.system import files
from isthmus.tools.exploration.encoded_samples import coded
from isthmus.tools.sampling.made import visible
from isthmus.tools.sampling.resemblance import Judges, resemblance
from isthmus.tools.sampling.sampling import draw_samples
from isthmus.training.display import AbstractDisplay, display_of
from isthmus.wording import label, printable, shell_word

DRAWN = 1_000  # samples for precision and recall, which gives a standard error of about 0.01
SHOWN = 10  # test images in the picture
NUMBERS = {
    "mse": "test MSE",
    "bce_over_floor": "BCE above the floor",
    "psnr_db": "PSNR, dB",
    "knn": "k-NN of the codes",
    "precision": "samples' precision",
    "recall": "samples' recall",
    "parameters": "parameters",
    "seconds": "seconds",
}
SHORT = {  # for a terminal, where the whole table must fit the width
    "mse": "test MSE", "bce_over_floor": "BCE - floor", "psnr_db": "PSNR dB", "knn": "k-NN", "parameters": "weights",
}  # fmt: skip
DIGITS = {"psnr_db": 2, "knn": 2, "precision": 2, "recall": 2, "parameters": 0, "seconds": 0}  # decimal places
MOST_DIGITS = 6  # beyond this, scientific notation is easier to read


@dataclass(frozen=True)
class ComparisonTable:
    """`rows`: one dict per recipe with `name`, `n` seeds, each number of `NUMBERS` as {"mean", "sd"}, and `failed`."""

    folder: Path
    data: str
    rows: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        return {"out": str(self.folder), "data": self.data, "rows": list(self.rows)}

    def _keys(self) -> list[str]:
        return [key for key in NUMBERS if any(key in row for row in self.rows)]

    def cells(self) -> list[list[str]]:
        """The table for a terminal: a header, and one row per recipe or run, without those that failed."""
        keys = self._keys()
        rows = [row for row in self.rows if not row["failed"]]
        return [["", *(SHORT.get(key, key) for key in keys)]] + [
            [row["name"], *(_cell(key, row.get(key)) or "–" for key in keys)] for row in rows
        ]

    def failures(self) -> list[str]:
        """One line for each recipe or run that failed."""
        return [f"{row['name']} failed: {row['failed']}" for row in self.rows if row["failed"]]

    def markdown(self) -> str:
        """The table in Markdown, with every column that at least one row has."""
        keys = self._keys()
        lines = ["| | " + " | ".join(NUMBERS[key] for key in keys) + " |", "|---|" + "---|" * len(keys)]
        for row in self.rows:
            cells = [_cell(key, row.get(key)) for key in keys] if not row["failed"] else [f"failed: {row['failed']}"]
            lines.append(
                f"| {printable(row['name'])} | " + " | ".join([*cells, *[""] * (len(keys) - len(cells))]) + " |"
            )
        return "\n".join(lines)


def compare(
    names: Sequence[str], data: str = "mnist-2k", *, out: str | Path | None = None, seeds: Sequence[int] = (0,),
    settings: Mapping[str, Any] | None = None, show: bool | AbstractDisplay = True,
) -> ComparisonTable:  # fmt: skip
    """Trains each recipe in `names` once per seed and measures all in the same way. Named runs are not trained again.

    Writes comparison.json, .md, .csv and, for images, .png next to the runs. What takes longest after training is saved
    in each run, so the same call continues where it was stopped.

    Raises: UsageError for a name that is neither a recipe nor a run.
    """
    display = display_of(show)
    recipes = [name for name in dict.fromkeys(names) if name in RECIPES]
    given = {name: _given_run(name) for name in names if name not in RECIPES}
    if given and not recipes:  # `data` is for training; these runs were tested on their own data
        data = next(iter(given.values())).metrics["data"]["name"]
    jobs = [_job(recipe, seed, seeds, settings or {}) for recipe in recipes for seed in seeds]
    folder = run_batches.folder_for(out, f"compare-{name_of(data) or Path(data).stem}")
    found = run_batches.carry_out(folder, jobs, data, display) if jobs else {}
    groups: dict[str, list[RunFolder | IsthmusError]] = {
        name: [given[name]] if name in given else [found[_job(name, seed, seeds, {}).name] for seed in seeds]
        for name in dict.fromkeys(names)
    }
    _refuse_other_tests(groups)
    rows, judges = [], Judges()
    for name, members in groups.items():
        display.say(f"measuring {name}")
        rows.append(_row(name, members, judges))
    contest = ComparisonTable(folder, data, tuple(rows))
    _write(
        contest,
        {name: next((m for m in members if isinstance(m, RunFolder)), None) for name, members in groups.items()},
    )
    return contest


def _refuse_other_tests(groups: Mapping[str, Sequence[RunFolder | IsthmusError]]) -> None:
    """Raises: UsageError for runs on different data, because their errors cannot be compared."""
    members = [(name, m) for name, found in groups.items() for m in found if isinstance(m, RunFolder)]
    tests = [(name, run.metrics["data"]["name"]) for name, run in members]  # another seed may split it differently
    others = [name for name, test in tests if test != tests[0][1]]
    if others:
        message = f"{others[0]} and {tests[0][0]} were tested on different data, so their errors cannot be compared."
        raise UsageError("USAGE-COMPARE", message, fix="name runs of the same data, or recipes and the data")


def measured(run: RunFolder, judges: Judges | None = None) -> dict[str, float]:
    """The numbers of one run, without those that do not apply. Runs that are compared share their `judges`."""
    test = run.metrics["test"]
    found = {"mse": test["mse"], "parameters": run.metrics["parameters"], "seconds": run.metrics["seconds"]}
    if test.get("bce_floor") is not None:
        found["bce_over_floor"] = test["bce"] - test["bce_floor"]
    if test.get("psnr_db") is not None:
        found["psnr_db"] = test["psnr_db"]
    with suppress(UsageError, DataError):  # needs codes and labels; some modules and data sets have none
        latent, samples = run.latent, run.prepared.splits.test
        if latent.labels is not None and samples.labels is not None:
            known, asked = latent.labels >= 0, samples.labels >= 0
            z = coded(run, samples).z
            found["knn"] = knn_accuracy(latent.codes[known], latent.labels[known], z[asked], samples.labels[asked])
    with suppress(UsageError, DataError):
        drawn = draw_samples(run, DRAWN, seed=run.config.training.seed).x
        fidelity = resemblance(run, drawn, judge=(judges or Judges()).of(run)).fidelity
        found |= {"precision": fidelity.precision, "recall": fidelity.recall}
    return found


def parted(names: Sequence[str]) -> tuple[list[str], str]:
    """Splits `names` into recipes and runs, and the data: the last name if it is neither, else the default.

    Raises: UsageError if there is no recipe or run, for a misspelled recipe, or for data next to runs alone, which are
    not trained or tested again.
    """
    *members, last = names
    if last in RECIPES or _is_run(last):
        return [*members, last], "mnist-2k"
    if not _can_be_data(last) and (not members or _is_nearly_a_recipe(last)):
        raise unknown("recipe or run", last, RECIPES, code="USAGE-COMPARE")
    if not members:
        message = f"{last} is data, but no recipe or run is named."
        fix = f"name recipes before the data: `isthmus compare modern vae {shell_word(last)}`"
        raise UsageError("USAGE-COMPARE", message, fix=fix)
    if not RECIPES.keys() & set(members):
        for name in members:
            _given_run(name)  # a misspelled recipe is no run
        message = f"{last} is neither a recipe nor a run, and runs alone are not tested again on other data."
        raise UsageError("USAGE-COMPARE", message, fix=f"leave out {shell_word(last)}, or name recipes to train on it")
    return members, last


def seeds_of(text: str) -> list[int]:
    """`"0,1,2"` -> `[0, 1, 2]`. Raises: UsageError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise UsageError("USAGE-SEEDS", f"{text!r} is not a list of seeds.", fix="for example --seeds 0,1,2")
    return list(dict.fromkeys(map(int, parts)))


def _given_run(name: str) -> RunFolder:
    """Raises: UsageError for a name that is neither a recipe nor a run, with the recipe that it resembles, and for a
    run that is not finished.
    """
    if not _is_run(name) and (name_of(name) or is_hub(name)):
        message = f"{name} is data, but it is not the last name."
        raise UsageError("USAGE-COMPARE", message, fix="name the data last, after the recipes and runs")
    if not os.path.lexists(name) and not _is_run(name) and _is_nearly_a_recipe(name):
        raise unknown("recipe or run", name, RECIPES, code="USAGE-COMPARE")
    run = finding.find(name)
    if not run.metrics:
        message = f"{run.path} has no {METRICS} yet, because it is not finished."
        raise UsageError("USAGE-COMPARE", message, fix=f"finish it with `isthmus resume {shell_word(run.path)}`")
    return run


def _can_be_data(text: str) -> bool:
    """Whether it is the name of a data set, exists, or is written like a path."""
    return bool(name_of(text)) or is_hub(text) or os.path.lexists(text) or any(c in text for c in "./\\*?[")


def _is_nearly_a_recipe(name: str) -> bool:
    return bool(get_close_matches(name, RECIPES, n=1))


def _is_run(name: str) -> bool:
    try:
        finding.find(name)
    except IsthmusError:
        return False
    return True


def _job(recipe: str, seed: int, seeds: Sequence[int], settings: Mapping[str, Any]) -> run_batches.Job:
    training = {**settings.get("training", {}), "seed": seed}
    name = recipe if len(seeds) == 1 else f"{recipe}-{seed}"
    return run_batches.Job(name, recipe, {**settings, "training": training})


def _row(name: str, members: Sequence[RunFolder | IsthmusError], judges: Judges) -> dict[str, Any]:
    finished = [member for member in members if isinstance(member, RunFolder)]
    errors = [member.message for member in members if isinstance(member, IsthmusError)]
    each = [measured(run, judges) for run in finished]
    row: dict[str, Any] = {"name": name, "n": len(each), "failed": "; ".join(errors) if not each else ""}
    for key in NUMBERS:
        values = [found[key] for found in each if key in found]
        if values:
            row[key] = {
                "mean": float(np.mean(values)),
                "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            }
    return row


def _cell(key: str, value: Mapping[str, Any] | None) -> str:
    if value is None or not math.isfinite(value["mean"]):
        return ""
    factor, unit = (100, "%") if key == "knn" else (1, "")
    mean, sd = value["mean"] * factor, None if value["sd"] is None else value["sd"] * factor
    digits = DIGITS.get(key, max(0, 2 - math.floor(math.log10(abs(mean)))) if mean else 0)  # else 3 significant digits
    if digits > MOST_DIGITS:
        return f"{label(mean)}{unit}" + ("" if sd is None else f" ± {label(sd)}")
    spread = "" if sd is None or key == "parameters" else f" ± {sd:,.{digits}f}"
    return f"{mean:,.{digits}f}{unit}{spread}"


def _write(contest: ComparisonTable, members: Mapping[str, RunFolder | None]) -> None:
    folder = contest.folder
    files.write_json(folder / "comparison.json", contest.as_dict())
    files.write_text(folder / "comparison.md", contest.markdown() + "\n")
    columns: dict[str, Any] = {"name": [row["name"] for row in contest.rows]}
    for key in NUMBERS:
        if any(key in row for row in contest.rows):
            columns[key] = [row[key]["mean"] if key in row else None for row in contest.rows]
    write_table(folder / "comparison.csv", columns)
    display = {name: run for name, run in members.items() if run is not None}
    images = {name: run for name, run in display.items() if run.model.preprocess.is_image}
    if not images:
        return
    first = next(iter(images.values()))
    test = first.prepared.splits.test
    rows = np.linspace(0, len(test) - 1, min(SHOWN, len(test))).round().astype(int)
    x = test.x[rows]
    alike = {name: run for name, run in images.items() if run.model.preprocess.shape == first.model.preprocess.shape}
    drawn = {name: visible(run, run.model.reconstruct(x)) for name, run in alike.items()}
    canvas.save(side_by_side({"original": visible(first, x), **drawn}), folder / "comparison.png")


__all__ = ["NUMBERS", "ComparisonTable", "compare", "measured", "parted", "seeds_of"]
