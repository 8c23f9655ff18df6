"""The top of the page: the verdict in one sentence, its three numbers, and every verdict with what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from isthmus.evaluation.verdicts.cases import finite
from isthmus.evaluation.verdicts.questions import FILTERS
from isthmus.evaluation.verdicts.verdicts import headline
from isthmus.report.markup import Html, numeral
from isthmus.report.run_data import RunData
from isthmus.wording import counted, plural, three_digits

LEVELS = ("fail", "warn", "pass")
TITLES = {
    "cost-never-fell": "The cost fell",
    "beats-mean": "Compared with the mean",
    "beats-pca": "Compared with PCA",
    "denoiser-beats-filter": "Compared with simple filters",
    "structure-removed": "What was removed",
    "nothing-to-learn": "Something to learn",
    "too-little-data": "Amount of training data",
    "value-range": "Range of values in use",
    "extreme-values": "Extreme values",
    "classes": "Samples of every class",
    "test-unlike-training": "Test data similar to training data",
    "one-test-sample": "Test error not due to one sample",
    "few-test-samples": "Test error not due to few samples",
    "code-size": "Size of the code",
    "learning-rate": "Learning rate",
    "penalty-weight": "Weight of the penalties",
    "fixed-variance": "Scale of the error",
    "exploded-kl": "Size of the KL term",
    "explains-little": "Variance explained",
    "overfitting": "Overfitting",
    "stopped-too-early": "Length of the training",
    "dead-units": "Units in use",
    "saturated-units": "Units within their range",
    "posterior-collapse": "Information in the code",
    "log-variance-held": "Log-variance within its bounds",
    "dead-codes": "Codewords in use",
    "targets-out-of-range": "Range of the data",
    "train-test-overlap": "Test samples not in training data",
}


@dataclass(frozen=True)
class Stat:
    """A large number at the top of the page."""

    name: str
    value: Html
    note: str
    ours: bool = False


@dataclass(frozen=True)
class Opening:
    """The content above all sections."""

    level: str
    sentence: str
    stats: tuple[Stat, ...]
    verdicts: tuple[dict[str, str], ...]

    @property
    def counts(self) -> str:
        """ "1 failed, 2 warnings", for the title of the list; passed verdicts are counted below it."""
        found = {level: sum(v["level"] == level for v in self.verdicts) for level in ("fail", "warn")}
        words = {"fail": "failed", "warn": plural(found["warn"], "warning")}
        return ", ".join(f"{n} {words[level]}" for level, n in found.items() if n)


def opening(run_data: RunData) -> Opening:
    """The top of the page of a run."""
    verdicts = [{"try": None, **v, "title": TITLES.get(v["id"], v["id"])} for v in run_data.metrics.get("verdicts", [])]
    verdicts.sort(key=lambda v: LEVELS.index(v["level"]) if v["level"] in LEVELS else 0)
    level = verdicts[0]["level"] if verdicts else "pass"
    stats = _denoising(run_data) if run_data.metrics.get("denoising") else _errors(run_data)
    return Opening(level, headline(verdicts, run_data.metrics), stats, tuple(verdicts))


def _errors(run_data: RunData) -> tuple[Stat, ...]:
    metrics, sample = run_data.metrics, run_data.sample
    mse, rivals = metrics["test"].get("mse"), metrics.get("baselines", {})
    stats = [
        Stat("this model", numeral(mse), f"mean squared error on {metrics['data']['n_test']:,} test {sample}s", True)
    ]
    pca = rivals.get("pca", {})
    if finite(pca.get("mse")):
        code = f"the best linear code of {counted(pca.get('n_components') or 0, 'number')}"
        stats.append(Stat("PCA", numeral(pca["mse"]), f"{_times(pca['mse'], mse)}{code}"))
    mean = rivals.get("mean", {}).get("mse")
    if finite(mean):
        stats.append(Stat(f"mean {sample}", numeral(mean), f"{_times(mean, mse)}the same output for every {sample}"))
    return tuple(stats)


def _times(other: float, ours: Any) -> str:
    """ "5.4 times as much: ", to be followed by what the other is."""
    if not finite(ours) or ours <= 0:
        return ""
    return f"{three_digits(other / ours)} times as much: " if other >= ours else f"{other / ours:.0%} of that: "


def _denoising(run_data: RunData) -> tuple[Stat, ...]:
    block: Mapping[str, Any] = run_data.metrics["denoising"]
    by = measure_of(block)
    stats = [
        Stat(
            "noisy",
            numeral(block["noisy"].get(by.key), by.unit),
            f"{by.of_what}test {run_data.sample}s, {block['noise']}",
        ),
        Stat("denoised", numeral(block["denoised"].get(by.key), by.unit), "the output of this model", True),
    ]
    blocks = {name: found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)}
    filters = {name: found[by.key] for name, found in blocks.items() if finite(found.get(by.key))}
    if filters:
        best = by.best(filters, key=lambda name: filters[name])
        note = f"{FILTERS.get(best, best)}, tuned for this noise"
        stats.insert(1, Stat("best filter", numeral(filters[best], by.unit), note))
    return tuple(stats)


class Denoised(NamedTuple):
    """The measure for denoisers: PSNR for images, squared error for rows of a table."""

    key: str
    name: str
    unit: str
    of_what: str
    best: Callable[..., Any]


def measure_of(block: Mapping[str, Any]) -> Denoised:
    """The measure in the `denoising` block of metrics.json."""
    if "mse" in block["noisy"]:
        return Denoised("mse", "mean squared error", "", "mean squared error of ", min)
    return Denoised("psnr_db", "PSNR, dB", "dB", "PSNR of ", max)
