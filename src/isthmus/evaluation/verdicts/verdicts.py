"""Plain words about a trained model: what is good, what is wrong, with which numbers, and what to try.

Each question is answered by a `Verdict` with a fixed id. pass: nothing to do. warn: usable, and something would make
it better. fail: do not use it for this before it is mended. `docs/verdicts.md` holds the table of all ids, their
limits, and what the limits were measured on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isthmus.evaluation.verdicts import collapse, questions, symptoms
from isthmus.evaluation.verdicts.cases import Case, History, Metrics, Verdict, finite
from isthmus.evaluation.verdicts.facts import Facts
from isthmus.evaluation.verdicts.noise_check import judge_noise
from isthmus.wording import number

QUESTIONS: tuple[Callable[[Case], Verdict | None], ...] = (
    questions.nothing_to_learn,
    questions.too_little_data,
    symptoms.cost_never_fell,
    questions.beats_mean,
    questions.beats_pca,
    questions.denoiser_beats_filter,
    symptoms.overfitting,
    symptoms.stopped_too_early,
    symptoms.dead_units,
    symptoms.saturated_units,
    collapse.posterior_collapse,
    collapse.log_variance_held,
    collapse.dead_codes,
    questions.targets_out_of_range,
    questions.train_test_overlap,
)


AFTER_LEARNING = {"overfitting", "stopped-too-early"}  # asked only of a model that has learned something
OF_DATA = {"nothing-to-learn", "targets-out-of-range", "train-test-overlap"}  # alone left where nothing can be learned
OF_TRAINING = {
    "nothing-to-learn",
    "too-little-data",
    "cost-never-fell",
    "stopped-too-early",
    "overfitting",
    "train-test-overlap",
}  # not of other data


def judge_all(metrics: Metrics, history: History, facts: Facts) -> list[Verdict]:
    """Every verdict that these numbers allow, in a fixed order; healthy ones are there too, with level "pass"."""
    case = Case(metrics, history, facts)
    found = [verdict for question in QUESTIONS if (verdict := question(case)) is not None]
    if found and found[0].id == "nothing-to-learn":
        return [v for v in found if v.id in OF_DATA]
    stuck = any(v.id == "cost-never-fell" and v.level != "pass" for v in found)
    if case.has_few:  # then more epochs are no way out
        found = [v for v in found if v.id != "stopped-too-early" or v.level == "pass"]
    return [v for v in found if not (stuck and v.id in AFTER_LEARNING)]


def headline(verdicts: Sequence[Verdict | Mapping[str, Any]], metrics: Metrics) -> str:
    """The run in one sentence: what is wrong, if anything, and the three numbers that say most."""
    found = [v.as_dict() if isinstance(v, Verdict) else v for v in verdicts]
    failed = [v["id"] for v in found if v["level"] == "fail"]
    warned = [v["id"] for v in found if v["level"] == "warn"]
    opening = f"Good, but see {', '.join(warned)}" if warned else "Good"
    opening = f"Not good yet ({', '.join(failed)})" if failed else opening
    block = metrics.get("denoising")
    if "nothing-to-learn" in failed:  # errors beside those of the mean would read "0 against 0"
        return f"{opening}: its training samples do not differ."
    if not block:
        return f"{opening}: {_test_numbers(metrics)}."
    case = Case(metrics, (), Facts(source="", recipe="", best_epoch=0, epochs=0))
    if case.hardly_beats_mean:  # decibels gained on noise would sell what one picture for all inputs gains as well
        mse, mean = number(case.number("test", "mse")), number(case.number("baselines", "mean", "mse"))
        word = "hardly beats" if (case.times_mean or 0.0) < 1 else "does not beat"
        return f"{opening}: it {word} the mean {case.sample}, mean squared error {mse} against {mean}."
    numbers = _denoising_errors(block) if questions.BY_ERROR in block["noisy"] else _denoising_numbers(block)
    return f"{opening}: {numbers}."


def _test_numbers(metrics: Metrics) -> str:
    case = Case(metrics, (), Facts(source="", recipe="", best_epoch=0, epochs=0))
    k = case.number("baselines", "pca", "n_components")
    rivals = {
        "PCA" if case.bits is None or k is None else f"PCA with {k:.0f} real numbers": case.number(
            "baselines", "pca", "mse"
        ),
        f"the mean {case.sample}": case.number("baselines", "mean", "mse"),
    }
    told = [f"{name} has {number(mse)}" for name, mse in rivals.items() if mse is not None]
    mse = f"mean squared error {number(case.number('test', 'mse'))} on test {case.sample}s"
    return f"{mse}, where {' and '.join(told)}" if told else mse


def _denoising_numbers(block: Mapping[str, Any]) -> str:
    blocks = {name: found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)}
    filters = {name: found["psnr_db"] for name, found in blocks.items() if finite(found.get("psnr_db"))}
    noisy, denoised = (_db(block[part].get("psnr_db")) for part in ("noisy", "denoised"))
    told = f"test images go from {noisy} to {denoised}"
    if not filters:
        return told
    best = max(filters, key=lambda name: filters[name])
    return f"{told}, the best filter ({questions.FILTERS.get(best, best)}) to {_db(filters[best])}"


def _denoising_errors(block: Mapping[str, Any]) -> str:
    noisy, denoised = (number(block[part].get(questions.BY_ERROR)) for part in ("noisy", "denoised"))
    told = f"the mean squared error of noisy test rows goes from {noisy} to {denoised}"
    filters = {questions.FILTERS.get(n, n): found[questions.BY_ERROR] for n, found in block["baselines"].items()}
    if not filters:
        return told
    best = min(filters, key=lambda name: filters[name])
    return f"{told}, with {best} to {number(filters[best])}"


def _db(value: float | None) -> str:
    return "an infinite or undefined PSNR" if value is None else f"{value:.1f} dB"


__all__ = ["QUESTIONS", "Facts", "Verdict", "headline", "judge_all", "judge_noise"]
