"""Questions about what a model can do: against the mean, PCA and simple filters, on data it may not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.evaluation.verdicts.cases import CLEARLY, FEW_SAMPLES, HARDLY, Case, Level, Verdict, finite
from isthmus.wording import counted, number

STILL = 0.98  # of PCA's error: at a rate of 1e-6 layers that start there end at 1.00, after 60 usual steps at 0.63
PCA_NEAR = 1.1  # of PCA's error: within a tenth, a longer run or another seed may still turn it
CLEAR_LEAD_DB = 0.5  # about the least difference that people see side by side
OVERLAP_WARN, OVERLAP_FAIL = 0.001, 0.1  # of the test set: a thousandth cannot be seen in a mean; a tenth decides it
FILTERS = {
    "median": "the median filter",
    "blur": "the best Gaussian blur",
    "nlm": "non-local means",
    "tv": "total-variation smoothing",
    "wavelet": "wavelet thresholding",
    "linear": "the best linear filter",
    "mean": "the mean of each column",
}
BY_ERROR = "mse"  # the measure of denoisers of tables


def nothing_to_learn(case: Case) -> Verdict | None:
    """Told only where all training samples are equal; then no other number of the run means anything."""
    facts, n = case.facts, case.number("data", "n_train")
    if not n or facts.n_duplicates is None or facts.n_duplicates < n - 1:
        return None
    same = f"all {n:,.0f} training {case.sample}s are equal" if n > 1 else f"there is a single training {case.sample}"
    columns = "that its columns are read as they should be, " * case.table
    text = f"There is nothing to learn: {same}. Check that this is the data you meant, {columns}"
    text += f"and that the {case.sample}s differ before they are saved."
    return Verdict("nothing-to-learn", "fail", text, facts.check())


def too_little_data(case: Case) -> Verdict | None:
    """Told only where there are so few training samples that training longer teaches nothing but these by heart."""
    n = case.number("data", "n_train")
    if n is None or not case.has_few:
        return None
    text = f"{counted(int(n), f'training {case.sample}')} {'is' if n == 1 else 'are'} too little data: however long it"
    text += f" trains, it can only learn them by heart. Train on {FEW_SAMPLES} at the very least, better on hundreds."
    return Verdict("too-little-data", "warn", text, case.facts.with_more_data())


def beats_mean(case: Case) -> Verdict | None:
    """Whether the model does better than answering every sample with the mean one."""
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    if mean is None or "mse" not in case.metrics.get("test", {}):
        return None
    if mse is None:
        return Verdict("beats-mean", "fail", "Its test error is not a finite number.", case.learn_better())
    numbers = f"mean squared error {number(mse)} against {number(mean)}"
    if mse >= mean:
        text = f"It does not beat the mean {case.sample}, which is the same answer for every input: {numbers}."
        return Verdict("beats-mean", "fail", text, case.learn_better())
    if mse > HARDLY * mean:
        return Verdict("beats-mean", "warn", f"It hardly beats the mean {case.sample}: {numbers}.", case.learn_better())
    return Verdict("beats-mean", "pass", f"It beats the mean {case.sample}: {numbers}.")


def beats_pca(case: Case) -> Verdict | None:
    """Whether it beats the best linear code of the same size. Not asked of denoisers (PCA sees the clean samples), nor
    where PCA has as many components as there are values, so that it loses nothing."""
    mse, other = case.number("test", "mse"), case.number("baselines", "pca", "mse")
    k = case.number("baselines", "pca", "n_components")
    if mse is None or other is None or k is None or case.facts.is_denoiser:
        return None
    D, z_size = math.prod(case.metrics["data"]["shape"]), case.number("z_size") or 0
    if z_size >= D:
        text = f"The code of {z_size:.0f} numbers is not smaller than the {D} values of one {case.sample}"
        fix = case.facts.train(f"--z-size {max(1, D // 2)}")
        return Verdict("beats-pca", "warn", f"{text}, so nothing has to be compressed and PCA loses nothing.", fix)
    if k >= D:
        return None
    if case.pca_loses_nothing:
        text = (
            f"PCA with {k:.0f} numbers loses nothing (mean squared error {number(other)}), so it is no useful baseline,"
        )
        text += f" and the code is longer than the {case.sample}s need: nothing has to be compressed."
        return Verdict("beats-pca", "warn", text, case.facts.train(f"--z-size {max(1, round(z_size) // 2)}"))
    if case.bits is not None:
        return _beats_pca_in_bits(case, mse, other, k)
    paying = case.number("baselines", "linear_vae", "mse")
    if paying is not None:
        return _beats_linear_vae(case, mse, paying)
    same = "of the same size" if k == case.metrics.get("z_size", k) else f"with {k:.0f} components"
    numbers = f"mean squared error {number(mse)} against {number(other)}"
    if case.facts.starts_at_components and STILL * other < mse < other:
        text = f"It is hardly better than PCA {same}, at which its layers started: {numbers}."
        return Verdict("beats-pca", "warn", text, case.learn_better())
    if mse < other:
        return Verdict("beats-pca", "pass", f"It beats PCA {same}: {numbers}.")
    if case.table and mse - other < 2 * (case.facts.test_mse_sem or 0.0):
        return Verdict("beats-pca", "pass", f"{case.tested} cannot tell it from PCA {same}: {numbers}.")
    level: Level = "warn" if mse < PCA_NEAR * other else "fail"
    text = f"It does not beat PCA {same}, which is quicker and has no settings: {numbers}."
    return _not_beaten(case, level, text, mse)


def _not_beaten(case: Case, level: Level, text: str, mse: float) -> Verdict:
    gap, mean = case.gap, case.number("baselines", "mean", "mse")
    if mean is not None and mse > HARDLY * mean:
        return Verdict("beats-pca", level, text, case.learn_better())
    by_heart = gap is not None and gap.exceeds(CLEARLY)
    return Verdict("beats-pca", level, text, case.memorize_less() if by_heart else case.train_longer())


def _beats_linear_vae(case: Case, mse: float, paying: float) -> Verdict:
    """Of a variational code, which pays nats for what it tells, where PCA tells all of its numbers for nothing."""
    nats, pca = case.number("baselines", "linear_vae", "kl"), case.number("baselines", "pca", "mse")
    rival = f"PCA that pays as many nats for its code ({number(nats)} of KL)"
    numbers = f"mean squared error {number(mse)} against {number(paying)}; PCA that pays none has {number(pca)}"
    if mse < paying:
        return Verdict("beats-pca", "pass", f"It beats {rival}: {numbers}.")
    level: Level = "warn" if mse < PCA_NEAR * paying else "fail"
    return _not_beaten(case, level, f"It does not beat {rival}: {numbers}.", mse)


def _beats_pca_in_bits(case: Case, mse: float, other: float, k: float) -> Verdict:
    """Of a quantized code, which holds less than as many real numbers do: to lose to them is no fault."""
    sizes = f"of {case.bits:,.0f} bits{{}} against PCA's {k:.0f} real numbers"
    numbers = f"mean squared error {number(mse)} against {number(other)}"
    if mse < other:
        return Verdict("beats-pca", "pass", f"It beats PCA, with a code {sizes.format('')}: {numbers}.")
    text = f"Its code {sizes.format(' stands')}, which hold more, so an error above theirs is no fault: {numbers}."
    return Verdict("beats-pca", "pass", text)


def denoiser_beats_filter(case: Case) -> Verdict | None:
    """Whether a denoiser does better than the best filter tuned to this noise, and than doing nothing."""
    block = case.metrics.get("denoising")
    if not block:
        return None
    if not block.get("truth", True):
        return _beats_filter_without_truth(case, block)
    if BY_ERROR in block["noisy"]:
        return _beats_filter_by_error(case, block)
    filters = {name: found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)}
    rivals = {"leaving the noise in": block["noisy"]} | {FILTERS.get(n, n): found for n, found in filters.items()}
    # One image given back exactly makes a mean PSNR infinite, written null: then SSIM, which is always finite, decides.
    measure = "psnr_db" if all(finite(b.get("psnr_db")) for b in [block["denoised"], *rivals.values()]) else "ssim"
    ours = block["denoised"].get(measure)
    best = max(rivals, key=lambda name: rivals[name].get(measure) or -math.inf)
    theirs = rivals[best].get(measure)
    if not (finite(ours) and finite(theirs)):
        return Verdict("denoiser-beats-filter", "fail", "Its denoised images are not finite.", case.learn_better())
    unit = " dB" if measure == "psnr_db" else " SSIM"
    tested = counted(block["n"], "test image") if "n" in block else "the test images"
    numbers = f"{ours:.2f}{unit} against {theirs:.2f}{unit}, on {tested}"
    if ours <= theirs:
        text = f"The denoiser does not beat {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, case.train_longer())
    if case.hardly_beats_mean:  # in noise without limit every filter loses to one and the same gray picture
        level, word = ("warn", "hardly") if (case.times_mean or 0.0) < 1 else ("fail", "not")
        text = f"The denoiser beats {best}, but {word} the mean image, the same answer for every input: {numbers}."
        return Verdict("denoiser-beats-filter", level, text, case.learn_better())
    if measure == "psnr_db" and ours - theirs < CLEAR_LEAD_DB:
        text = f"The denoiser is hardly better than {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "warn", text, case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser beats {best}: {numbers}.")


def _beats_filter_without_truth(case: Case, block: Mapping[str, Any]) -> Verdict | None:
    """The same where nobody knows the clean image: who guesses noisy pixels better that were left out. All errors hold
    the variance of their noise, so by how much one is better is not told."""
    rivals = {FILTERS.get(n, n): found for n, found in block.get("baselines", {}).items()}
    rivals = {name: found[BY_ERROR] for name, found in rivals.items() if finite(found.get(BY_ERROR))}
    rivals["leaving the noise in"] = block["noisy"][BY_ERROR]
    ours, best = block["denoised"].get(BY_ERROR), min(rivals, key=lambda name: rivals[name])
    if not finite(ours):
        return Verdict("denoiser-beats-filter", "fail", "Its denoised images are not finite.", case.learn_better())
    numbers = f"mean squared error {ours:.5f} against {rivals[best]:.5f}, the noise of those pixels included"
    told = "Without a clean image, by how well noisy pixels that were left out are guessed"
    if ours >= rivals[best]:
        text = f"{told}, the denoiser does not beat {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"{told}, the denoiser beats {best}: {numbers}.")


def _beats_filter_by_error(case: Case, block: Mapping[str, Any]) -> Verdict:
    """The same for tables: 0.5 dB are an error of 0.89 times. A linear filter may be the best there is, so a tie is no
    failure."""
    filters = {FILTERS.get(n, n): found for n, found in block.get("baselines", {}).items()}
    rivals = {"leaving the noise in": block["noisy"]} | filters
    ours = block["denoised"].get(BY_ERROR)
    best = min(rivals, key=lambda name: rivals[name][BY_ERROR])
    theirs = rivals[best][BY_ERROR]
    if not finite(ours):
        return Verdict("denoiser-beats-filter", "fail", "Its denoised rows are not finite.", case.learn_better())
    numbers = (
        f"mean squared error {number(ours)} against {number(theirs)}, on {counted(block['n'], f'test {case.sample}')}"
    )
    if ours >= PCA_NEAR * theirs:
        text = f"The denoiser does not beat {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, case.train_longer())
    if ours > theirs * 10 ** (-CLEAR_LEAD_DB / 10):
        word = "hardly better than" if ours < theirs else "no better than"
        text = f"The denoiser is {word} {best}, which no denoiser can beat where the data is normal: {numbers}."
        text = text if best == FILTERS["linear"] else f"The denoiser is {word} {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "warn", text, case.train_longer())
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser beats {best}: {numbers}.")


def targets_out_of_range(case: Case) -> Verdict | None:
    """Whether binary cross-entropy was asked about values that are no probabilities."""
    facts = case.facts
    if facts.n_out_of_range is None or not facts.likelihood.startswith("bernoulli"):
        return None
    known = facts.lowest is not None and facts.highest is not None
    seen = f" (from {number(facts.lowest)} to {number(facts.highest)})" if known else ""
    if not facts.n_out_of_range:
        text = f"All values lie in [0, 1]{seen}, as binary cross-entropy needs."
        return Verdict("targets-out-of-range", "pass", text)
    text = (
        f"{counted(facts.n_out_of_range, 'value')} lie outside [0, 1]{seen}, where binary cross-entropy means nothing."
    )
    return Verdict("targets-out-of-range", "fail", text, facts.train("--set data.scale=minmax"))


def train_test_overlap(case: Case) -> Verdict | None:
    """Whether test samples were seen in training, so that the test flatters."""
    facts, n_test = case.facts, case.metrics["data"].get("n_test")
    if facts.n_overlap is None or not n_test:
        return None
    share = facts.n_overlap / n_test
    n = facts.n_duplicates
    repeats = f" {counted(n, f'training {case.sample}')} repeat{'s' if n == 1 else ''} an earlier one." if n else ""
    if not facts.n_overlap:
        who = f"The one test {case.sample} was not" if n_test == 1 else f"None of {n_test:,} test {case.sample}s was"
        text = f"{who} seen in training."
        return Verdict("train-test-overlap", "pass", text + repeats)
    of, are = counted(n_test, f"test {case.sample}"), "is" if facts.n_overlap == 1 else "are"
    numbers = f"{facts.n_overlap:,} of {of} {are} also in the training set"
    if share <= OVERLAP_WARN:
        return Verdict("train-test-overlap", "pass", f"{numbers}, too few to matter.{repeats}")
    level: Level = "fail" if share >= OVERLAP_FAIL else "warn"
    text = f"{numbers} ({share:.1%}), so the test flatters the model.{repeats}"
    return Verdict("train-test-overlap", level, text, _without_repeats(case))


def _without_repeats(case: Case) -> str | None:
    """The command that trains without repeats; of a series, or where most samples repeat, the one that looks at it."""
    facts, n_train = case.facts, case.metrics["data"].get("n_train", 0)
    if 2 * (facts.n_duplicates or 0) > n_train or "--window" in facts.options:
        return facts.check()
    return facts.train("--duplicates drop")
