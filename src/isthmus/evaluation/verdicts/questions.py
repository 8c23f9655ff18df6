"""Checks of a model's results against the mean, PCA and simple filters, and of the test data they were measured on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.evaluation.verdicts.cases import CLEARLY, FEW_SAMPLES, HARDLY, Case, Level, Verdict, finite
from isthmus.wording import counted, number

STILL = 0.98  # of PCA's error: layers that start at PCA end at 1.00 with a rate of 1e-6, at 0.63 with 60 usual steps
PCA_NEAR = 1.1  # of PCA's error: within a tenth, a longer run or another seed may change the result
CLEAR_LEAD_DB = 0.5  # about the smallest difference that people see side by side
OVERLAP_WARN, OVERLAP_FAIL = 0.001, 0.1  # of the test set: a thousandth does not show in a mean; a tenth decides it
FILTERS = {
    "median": "the median filter",
    "blur": "the best Gaussian blur",
    "nlm": "non-local means",
    "tv": "total-variation denoising",
    "wavelet": "wavelet thresholding",
    "linear": "the best linear filter",
    "mean": "the mean of each column",
}
NOT_FINITE = "The denoiser's output has values that are not finite."
BY_ERROR = "mse"  # the measure for denoisers of tables


def nothing_to_learn(case: Case) -> Verdict | None:
    """Given only if all training samples are equal; then no other number of the run means anything."""
    facts, n = case.facts, case.number("data", "n_train")
    if not n or facts.n_duplicates is None or facts.n_duplicates < n - 1:
        return None
    same = f"all {n:,.0f} training {case.sample}s are equal" if n > 1 else f"there is only one training {case.sample}"
    columns = "that its columns are read correctly, " * case.table
    text = f"There is nothing to learn: {same}. Check that this is the right data, {columns}"
    text += f"and that the {case.sample}s differed before they were saved."
    return Verdict("nothing-to-learn", "fail", text, facts.check())


def too_little_data(case: Case) -> Verdict | None:
    """Given only if there are so few training samples that the model can only memorize them."""
    n = case.number("data", "n_train")
    if n is None or not case.has_few:
        return None
    text = f"{counted(int(n), f'training {case.sample}')} {'is' if n == 1 else 'are'} not enough: however long it"
    text += f" trains, the model can only memorize them. Train on {FEW_SAMPLES} or more, preferably hundreds."
    return Verdict("too-little-data", "warn", text, case.facts.with_more_data())


def beats_mean(case: Case) -> Verdict | None:
    """Whether the model is better than the mean sample as the output for every input."""
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    if mean is None or "mse" not in case.metrics.get("test", {}):
        return None
    if mse is None:
        return Verdict("beats-mean", "fail", "The test error is not a finite number.", case.learn_better())
    numbers = f"mean squared error {number(mse)} against {number(mean)}"
    if mse >= mean:
        text = f"The model does not beat the mean {case.sample}, the same output for every input: {numbers}."
        return Verdict("beats-mean", "fail", text, case.learn_better())
    if mse > HARDLY * mean:
        text = f"The model is hardly better than the mean {case.sample}: {numbers}."
        return Verdict("beats-mean", "warn", text, case.learn_better())
    return Verdict("beats-mean", "pass", f"The model beats the mean {case.sample}: {numbers}.")


def beats_pca(case: Case) -> Verdict | None:
    """Whether the model beats the best linear code of the same size. Not checked for denoisers, because PCA sees the
    clean samples, nor if PCA has as many components as there are values, because it then loses nothing."""
    mse, other = case.number("test", "mse"), case.number("baselines", "pca", "mse")
    k = case.number("baselines", "pca", "n_components")
    if mse is None or other is None or k is None or case.facts.is_denoiser:
        return None
    D, z_size = math.prod(case.metrics["data"]["shape"]), case.number("z_size") or 0
    if z_size >= D:
        code, values = counted(round(z_size), "number"), counted(D, "value")
        text = f"The code ({code}) is not smaller than the {case.sample} ({values}), so nothing has to be compressed,"
        text += " and PCA loses nothing."
        return Verdict("beats-pca", "warn", text, case.facts.train(f"--z-size {max(1, D // 2)}"))
    if k >= D:
        return None
    if case.pca_loses_nothing:
        text = f"PCA with {counted(int(k), 'component')} loses nothing (mean squared error {number(other)}), so it is"
        text += " not a useful baseline."
        text += f" The code is longer than the {case.sample}s need: nothing has to be compressed."
        return Verdict("beats-pca", "warn", text, case.facts.train(f"--z-size {max(1, round(z_size) // 2)}"))
    if case.bits is not None:
        return _beats_pca_in_bits(case, mse, other, k)
    paying = case.number("baselines", "linear_vae", "mse")
    if paying is not None:
        return _beats_linear_vae(case, mse, paying)
    same = "of the same size" if k == case.metrics.get("z_size", k) else f"with {k:.0f} components"
    numbers = f"mean squared error {number(mse)} against {number(other)}"
    if case.facts.starts_at_components and STILL * other < mse < other:
        text = f"The model is hardly better than PCA {same}, with which its layers were initialized: {numbers}."
        return Verdict("beats-pca", "warn", text, case.learn_better())
    if mse < other:
        return Verdict("beats-pca", "pass", f"The model beats PCA {same}: {numbers}.")
    if case.table and mse - other < 2 * (case.facts.test_mse_sem or 0.0):
        text = f"With {case.tested}, the model cannot be distinguished from PCA {same}: {numbers}."
        return Verdict("beats-pca", "pass", text)
    level: Level = "warn" if mse < PCA_NEAR * other else "fail"
    text = f"The model does not beat PCA {same}, which is faster and has no settings: {numbers}."
    return _not_beaten(case, level, text, mse)


def _not_beaten(case: Case, level: Level, text: str, mse: float) -> Verdict:
    gap, mean = case.gap, case.number("baselines", "mean", "mse")
    if mean is not None and mse > HARDLY * mean:
        return Verdict("beats-pca", level, text, case.learn_better())
    memorized = gap is not None and gap.exceeds(CLEARLY)
    return Verdict("beats-pca", level, text, case.memorize_less() if memorized else case.train_longer())


def _beats_linear_vae(case: Case, mse: float, paying: float) -> Verdict:
    """For a variational code, whose information costs nats of KL, while PCA's numbers cost nothing."""
    nats, pca = case.number("baselines", "linear_vae", "kl"), case.number("baselines", "pca", "mse")
    rival = f"the linear VAE with the same KL ({number(nats)} nats)"
    numbers = f"mean squared error {number(mse)} against {number(paying)} (PCA, which has no KL: {number(pca)})"
    if mse < paying:
        return Verdict("beats-pca", "pass", f"The model beats {rival}: {numbers}.")
    level: Level = "warn" if mse < PCA_NEAR * paying else "fail"
    return _not_beaten(case, level, f"The model does not beat {rival}: {numbers}.", mse)


def _beats_pca_in_bits(case: Case, mse: float, other: float, k: float) -> Verdict:
    """For a quantized code, which holds less than the same number of real numbers, so a higher error is no fault."""
    code, reals = f"code of {case.bits:,.0f} bits", f"PCA's {counted(int(k), 'real number')}"
    numbers = f"mean squared error {number(mse)} against {number(other)}"
    if mse < other:
        return Verdict("beats-pca", "pass", f"The model beats PCA, with a {code} against {reals}: {numbers}.")
    text = f"The {code} holds less than {reals}, so an error above PCA's is not a fault: {numbers}."
    return Verdict("beats-pca", "pass", text)


def denoiser_beats_filter(case: Case) -> Verdict | None:
    """Whether a denoiser is better than the best filter tuned to this noise, and better than doing nothing."""
    block = case.metrics.get("denoising")
    if not block:
        return None
    if not block.get("truth", True):
        return _beats_filter_without_truth(case, block)
    if BY_ERROR in block["noisy"]:
        return _beats_filter_by_error(case, block)
    filters = {name: found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)}
    rivals = {"leaving the noise in": block["noisy"]} | {FILTERS.get(n, n): found for n, found in filters.items()}
    # One exact reconstruction makes the mean PSNR infinite, written as null. Then SSIM decides, which is always finite.
    measure = "psnr_db" if all(finite(b.get("psnr_db")) for b in [block["denoised"], *rivals.values()]) else "ssim"
    ours = block["denoised"].get(measure)
    best = max(rivals, key=lambda name: rivals[name].get(measure) or -math.inf)
    theirs = rivals[best].get(measure)
    if not (finite(ours) and finite(theirs)):
        return Verdict("denoiser-beats-filter", "fail", NOT_FINITE, case.learn_better())
    unit = " dB" if measure == "psnr_db" else " SSIM"
    tested = counted(block["n"], "test image") if "n" in block else "the test images"
    numbers = f"{ours:.2f}{unit} against {theirs:.2f}{unit}, on {tested}"
    if ours <= theirs:
        text = f"The denoiser is no better than {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, case.train_longer())
    if case.hardly_beats_mean:  # under extremely strong noise, every filter loses to one gray picture for all inputs
        level, word = ("warn", "hardly") if (case.times_mean or 0.0) < 1 else ("fail", "no")
        text = f"The denoiser is better than {best}, but {word} better than the mean image, the same output for every"
        return Verdict("denoiser-beats-filter", level, f"{text} input: {numbers}.", case.learn_better())
    if measure == "psnr_db" and ours - theirs < CLEAR_LEAD_DB:
        text = f"The denoiser is hardly better than {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "warn", text, case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser is better than {best}: {numbers}.")


def _beats_filter_without_truth(case: Case, block: Mapping[str, Any]) -> Verdict | None:
    """The same without known clean images: which one predicts left-out noisy pixels better. All errors include the
    variance of the noise, so the text does not say by how much."""
    rivals = {FILTERS.get(n, n): found for n, found in block.get("baselines", {}).items()}
    rivals = {name: found[BY_ERROR] for name, found in rivals.items() if finite(found.get(BY_ERROR))}
    rivals["leaving the noise in"] = block["noisy"][BY_ERROR]
    ours, best = block["denoised"].get(BY_ERROR), min(rivals, key=lambda name: rivals[name])
    if not finite(ours):
        return Verdict("denoiser-beats-filter", "fail", NOT_FINITE, case.learn_better())
    numbers = f"mean squared error {ours:.5f} against {rivals[best]:.5f}, including the noise of those pixels"
    text = f"better than {best} at predicting left-out noisy pixels (no clean image is known): {numbers}."
    if ours >= rivals[best]:
        return Verdict("denoiser-beats-filter", "fail", f"The denoiser is no {text}", case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser is {text}")


def _beats_filter_by_error(case: Case, block: Mapping[str, Any]) -> Verdict:
    """The same for tables, where 0.5 dB correspond to 0.89 times the error. The linear filter may be the best possible
    denoiser, so a tie is not a failure."""
    filters = {FILTERS.get(n, n): found for n, found in block.get("baselines", {}).items()}
    rivals = {"leaving the noise in": block["noisy"]} | filters
    ours = block["denoised"].get(BY_ERROR)
    best = min(rivals, key=lambda name: rivals[name][BY_ERROR])
    theirs = rivals[best][BY_ERROR]
    if not finite(ours):
        return Verdict("denoiser-beats-filter", "fail", NOT_FINITE, case.learn_better())
    numbers = (
        f"mean squared error {number(ours)} against {number(theirs)}, on {counted(block['n'], f'test {case.sample}')}"
    )
    if ours >= PCA_NEAR * theirs:
        text = f"The denoiser is worse than {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, case.train_longer())
    if ours > theirs * 10 ** (-CLEAR_LEAD_DB / 10):
        word = "hardly better than" if ours < theirs else "no better than"
        text = f"The denoiser is {word} {best}, the best possible one for normally distributed data: {numbers}."
        text = text if best == FILTERS["linear"] else f"The denoiser is {word} {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "warn", text, case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser is better than {best}: {numbers}.")


def targets_out_of_range(case: Case) -> Verdict | None:
    """Whether the cost is binary cross-entropy although the training data has values outside [0, 1]."""
    facts = case.facts
    if facts.n_out_of_range is None or not facts.likelihood.startswith("bernoulli"):
        return None
    known = facts.lowest is not None and facts.highest is not None
    seen = f" (from {number(facts.lowest)} to {number(facts.highest)})" if known else ""
    if not facts.n_out_of_range:
        text = f"All values are in [0, 1]{seen}, as binary cross-entropy requires."
        return Verdict("targets-out-of-range", "pass", text)
    lie = "value is" if facts.n_out_of_range == 1 else "values are"
    text = f"{facts.n_out_of_range:,} {lie} outside [0, 1]{seen}, where binary cross-entropy is meaningless."
    return Verdict("targets-out-of-range", "fail", text, facts.train("--set data.scale=minmax"))


def train_test_overlap(case: Case) -> Verdict | None:
    """Whether test samples are also in the training set, so that the test error is too low."""
    facts, n_test = case.facts, case.metrics["data"].get("n_test")
    if facts.n_overlap is None or not n_test:
        return None
    share = facts.n_overlap / n_test
    n = facts.n_duplicates
    repeats = f" {counted(n, f'training {case.sample}')} repeat{'s' if n == 1 else ''} an earlier one." if n else ""
    if not facts.n_overlap:
        none = f"None of the {n_test:,} test {case.sample}s is" if n_test > 1 else f"The only test {case.sample} is not"
        return Verdict("train-test-overlap", "pass", f"{none} in the training set.{repeats}")
    of, are = counted(n_test, f"test {case.sample}"), "is" if facts.n_overlap == 1 else "are"
    numbers = f"{facts.n_overlap:,} of {of} {are} also in the training set"
    if share <= OVERLAP_WARN:
        return Verdict("train-test-overlap", "pass", f"{numbers}, too few to matter.{repeats}")
    level: Level = "fail" if share >= OVERLAP_FAIL else "warn"
    text = f"{numbers} ({share:.1%}), so the test error is too optimistic.{repeats}"
    return Verdict("train-test-overlap", level, text, _without_repeats(case))


def _without_repeats(case: Case) -> str | None:
    """The command that trains without repeats; for a series, or if most samples are repeats, the one that checks it."""
    facts, n_train = case.facts, case.metrics["data"].get("n_train", 0)
    if 2 * (facts.n_duplicates or 0) > n_train or "--window" in facts.options:
        return facts.check()
    return facts.train("--duplicates drop")
