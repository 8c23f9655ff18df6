"""The beginning of the page: the verdict in one sentence, its three numbers, and every verdict with what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.cases import finite
from isthmus.questions import BY_ERROR, FILTERS
from isthmus.report.markup import Html, number, told
from isthmus.report.material import Material
from isthmus.verdicts import headline

LEVELS = ("fail", "warn", "pass")
TITLES = {
    "cost-never-fell": "It has learnt",
    "beats-mean": "Against the mean",
    "beats-pca": "Against PCA",
    "denoiser-beats-filter": "Against classical filters",
    "overfitting": "Learning by heart",
    "stopped-too-early": "Length of the training",
    "dead-units": "Units in use",
    "saturated-units": "Units within their range",
    "targets-out-of-range": "Range of the data",
    "train-test-overlap": "Test data kept apart",
}


@dataclass(frozen=True)
class Stat:
    """A number of the headline, large."""

    name: str
    value: Html
    note: str
    ours: bool = False


@dataclass(frozen=True)
class Opening:
    """What stands above all sections."""

    level: str
    sentence: str
    stats: tuple[Stat, ...]
    verdicts: tuple[dict[str, str], ...]

    @property
    def counts(self) -> str:
        """ "8 pass, 1 warning": for the title of the list."""
        found = {level: sum(v["level"] == level for v in self.verdicts) for level in LEVELS}
        words = {"fail": "failed", "warn": "warning" + "s" * (found["warn"] != 1), "pass": "passed"}
        return ", ".join(f"{n} {words[level]}" for level, n in found.items() if n)


def opening(material: Material) -> Opening:
    """The verdict of the run."""
    verdicts = [{"try": None, **v, "title": TITLES.get(v["id"], v["id"])} for v in material.metrics.get("verdicts", [])]
    verdicts.sort(key=lambda v: LEVELS.index(v["level"]) if v["level"] in LEVELS else 0)
    level = verdicts[0]["level"] if verdicts else "pass"
    stats = _denoising(material) if material.metrics.get("denoising") else _errors(material)
    return Opening(level, headline(verdicts, material.metrics), stats, tuple(verdicts))


def _errors(material: Material) -> tuple[Stat, ...]:
    metrics, sample = material.metrics, material.sample
    mse, rivals = metrics["test"].get("mse"), metrics.get("baselines", {})
    stats = [
        Stat("this model", number(mse), f"mean squared error on {metrics['data']['n_test']:,} test {sample}s", True)
    ]
    pca = rivals.get("pca", {})
    if finite(pca.get("mse")):
        k = pca.get("n_components")
        stats.append(Stat("PCA", number(pca["mse"]), f"{_times(pca['mse'], mse)}the best linear code of {k} numbers"))
    mean = rivals.get("mean", {}).get("mse")
    if finite(mean):
        stats.append(Stat(f"mean {sample}", number(mean), f"{_times(mean, mse)}the same answer for every {sample}"))
    return tuple(stats)


def _times(other: float, ours: Any) -> str:
    """ "5.4 times as much, " in front of what the other is."""
    if not finite(ours) or ours <= 0:
        return ""
    return f"{told(other / ours)} times as much: " if other >= ours else f"{other / ours:.0%} of that: "


def _denoising(material: Material) -> tuple[Stat, ...]:
    block: Mapping[str, Any] = material.metrics["denoising"]
    if BY_ERROR in block["noisy"]:
        return _denoising_errors(block)
    filters = {
        k: v for k, v in block.get("baselines", {}).items() if isinstance(v, Mapping) and finite(v.get("psnr_db"))
    }
    stats = [
        Stat("noisy", number(block["noisy"].get("psnr_db"), "dB"), f"test images with {block['noise']} noise"),
        Stat("denoised", number(block["denoised"].get("psnr_db"), "dB"), "what this model makes of them", True),
    ]
    if filters:
        best = max(filters, key=lambda name: filters[name]["psnr_db"])
        note = f"{FILTERS.get(best, best)}, tuned for this noise"
        stats.insert(1, Stat("best filter", number(filters[best]["psnr_db"], "dB"), note))
    return tuple(stats)


def _denoising_errors(block: Mapping[str, Any]) -> tuple[Stat, ...]:
    """Noisy, denoised and the best baseline of a table, by mean squared error."""
    filters = block.get("baselines", {})
    stats = [
        Stat("noisy", number(block["noisy"][BY_ERROR]), f"mean squared error of rows with {block['noise']} noise"),
        Stat("denoised", number(block["denoised"][BY_ERROR]), "what this model makes of them", True),
    ]
    if filters:
        best = min(filters, key=lambda name: filters[name][BY_ERROR])
        note = f"{_times(filters[best][BY_ERROR], block['denoised'][BY_ERROR])}{FILTERS.get(best, best)}"
        stats.insert(1, Stat("best baseline", number(filters[best][BY_ERROR]), note))
    return tuple(stats)
