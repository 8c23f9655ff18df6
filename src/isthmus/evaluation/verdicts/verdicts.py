"""Verdicts on a trained model: what is good, what is wrong, with the numbers, and what to try.

Each check gives a `Verdict` with a fixed id. pass: nothing to do. warn: usable, but something would make it better.
fail: do not use it for this purpose before it is fixed. `docs/verdicts.md` has the table of all ids, their limits, and
the measurements behind the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isthmus.evaluation.verdicts import collapse, data_questions, questions, removed_check, settings_questions, symptoms
from isthmus.evaluation.verdicts.advice import with_one_cure
from isthmus.evaluation.verdicts.brief_names import in_brief
from isthmus.evaluation.verdicts.cases import Case, History, Metrics, Verdict, finite
from isthmus.evaluation.verdicts.noise_check import judge_noise
from isthmus.evaluation.verdicts.verdict_inputs import Facts
from isthmus.wording import number

QUESTIONS: tuple[Callable[[Case], Verdict | None], ...] = (
    questions.nothing_to_learn,
    questions.too_little_data,
    data_questions.value_range,
    data_questions.extreme_values,
    data_questions.classes,
    data_questions.test_unlike,
    data_questions.one_test_sample,
    data_questions.few_test_samples,
    settings_questions.code_size,
    settings_questions.learning_rate,
    settings_questions.penalty_weight,
    settings_questions.fixed_variance,
    settings_questions.exploded_kl,
    symptoms.cost_never_fell,
    questions.beats_mean,
    settings_questions.explains_little,
    questions.beats_pca,
    questions.denoiser_beats_filter,
    removed_check.removed_structure,
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


AFTER_LEARNING = {"overfitting", "stopped-too-early"}  # only for a model that has learned something
OF_DATA = {"nothing-to-learn", "targets-out-of-range", "train-test-overlap"}  # the only ones if nothing can be learned
OF_TRAINING = {
    "nothing-to-learn",
    "too-little-data",
    "value-range",
    "extreme-values",
    "classes",
    "cost-never-fell",
    "learning-rate",
    "stopped-too-early",
    "overfitting",
    "train-test-overlap",
}  # not given for other data


# With these, an error that looks good means little: little of the data is kept, or the test set cannot be trusted.
HOLLOW = {"code-size", "explains-little", "exploded-kl", "test-unlike-training", "one-test-sample", "few-test-samples"}


def judge_all(metrics: Metrics, history: History, facts: Facts, *, of_other: bool = False) -> list[Verdict]:
    """All verdicts that these numbers allow, in a fixed order, including those with level "pass".

    `of_other`: the test set is not part of the run's own data. Then the only verdict on the training is whether the
    test samples were trained on.
    """
    case = Case(metrics, history, facts)
    found = [verdict for question in QUESTIONS if (verdict := question(case)) is not None]
    if found and found[0].id == "nothing-to-learn":
        found = [v for v in found if v.id in OF_DATA]
    stuck = any(v.id == "cost-never-fell" and v.level != "pass" for v in found)
    if case.has_few:  # then more epochs do not help
        found = [v for v in found if v.id != "stopped-too-early" or v.level == "pass"]
    if of_other:
        found = [v for v in found if v.id not in OF_TRAINING or v.id == "train-test-overlap"]
    return with_one_cure([v for v in found if not (stuck and v.id in AFTER_LEARNING)], case)


def headline(verdicts: Sequence[Verdict | Mapping[str, Any]], metrics: Metrics) -> str:
    """The run in one sentence: what is wrong, if anything, and the three most important numbers."""
    found = [v.as_dict() if isinstance(v, Verdict) else v for v in verdicts]
    failed = [v["id"] for v in found if v["level"] == "fail"]
    warned = [v["id"] for v in found if v["level"] == "warn"]
    case = Case(metrics, (), Facts(source="", recipe="", best_epoch=0, epochs=0))
    hollow = bool(HOLLOW & {*warned}) or ("beats-pca" in warned and case.pca_loses_nothing)
    opening = f"{'Usable' if hollow else 'Good'}, but {in_brief(warned)}" if warned else "Good"
    opening = f"Not good yet ({in_brief(failed)})" if failed else opening
    block = metrics.get("denoising")
    if "nothing-to-learn" in failed:  # the errors of the model and of the mean would both be 0
        return f"{opening}: all training samples are equal."
    if not block:
        return f"{opening}: {_test_numbers(metrics)}."
    if case.hardly_beats_mean:  # one picture for all inputs would gain as many decibels on the noisy images
        mse, mean = number(case.number("test", "mse")), number(case.number("baselines", "mean", "mse"))
        word = "hardly" if (case.times_mean or 0.0) < 1 else "no"
        return f"{opening}: it is {word} better than the mean {case.sample}, mean squared error {mse} against {mean}."
    if not block.get("truth", True):
        removed = next((v["text"] for v in found if v["id"] == "structure-removed"), "")
        return f"{opening}, as far as can be judged without a clean image. {removed.partition('. ')[0]}."
    numbers = _denoising_errors(block) if questions.BY_ERROR in block["noisy"] else _denoising_numbers(block)
    return f"{opening}: {numbers}."


def _test_numbers(metrics: Metrics) -> str:
    case = Case(metrics, (), Facts(source="", recipe="", best_epoch=0, epochs=0))
    k = case.number("baselines", "pca", "n_components")
    rivals = {
        "PCA" if case.bits is None or k is None else f"PCA with {k:.0f} real numbers": case.number(
            "baselines", "pca", "mse"
        ),
        f"mean {case.sample}": case.number("baselines", "mean", "mse"),
    }
    if case.pca_loses_nothing:
        rivals = {name: mse for name, mse in rivals.items() if "PCA" not in name}  # PCA is no useful baseline then
    others = [f"{name}: {number(mse)}" for name, mse in rivals.items() if mse is not None]
    mse = f"mean squared error {number(case.number('test', 'mse'))} on test {case.sample}s"
    return f"{mse} ({', '.join(others)})" if others else mse


def _denoising_numbers(block: Mapping[str, Any]) -> str:
    blocks = {name: found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)}
    filters = {name: found["psnr_db"] for name, found in blocks.items() if finite(found.get("psnr_db"))}
    noisy, denoised = (_db(block[part].get("psnr_db")) for part in ("noisy", "denoised"))
    sentence = f"test images go from {noisy} to {denoised}"
    if not filters:
        return sentence
    best = max(filters, key=lambda name: filters[name])
    name = str(questions.FILTERS.get(best, best))
    rival = name if name.startswith("the best") else f"the best filter ({name})"
    return f"{sentence}; {rival} reaches {_db(filters[best])}"


def _denoising_errors(block: Mapping[str, Any]) -> str:
    noisy, denoised = (number(block[part].get(questions.BY_ERROR)) for part in ("noisy", "denoised"))
    sentence = f"the mean squared error of noisy test rows goes from {noisy} to {denoised}"
    filters = {questions.FILTERS.get(n, n): found[questions.BY_ERROR] for n, found in block["baselines"].items()}
    if not filters:
        return sentence
    best = min(filters, key=lambda name: filters[name])
    return f"{sentence}, with {best} to {number(filters[best])}"


def _db(value: float | None) -> str:
    return "an infinite or undefined PSNR" if value is None else f"{value:.1f} dB"


__all__ = ["QUESTIONS", "Facts", "Verdict", "headline", "judge_all", "judge_noise"]
