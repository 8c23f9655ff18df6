"""Checks of code size, learning rate and penalties, given only if an unsuitable setting had an effect."""

from __future__ import annotations

import math

from isthmus.evaluation.verdicts.cases import HARDLY, LITTLE, USUAL_LR, Case, Level, Verdict, finite
from isthmus.evaluation.verdicts.collapse import FEW, MOST_NATS, SILENT
from isthmus.wording import counted, number

LITTLE_AT_ALL = 0.25  # of the variance: three quarters are lost
NEAR_PCA = 0.8  # of the variance that PCA explains: above it, the small code is the limit, not the network
BY_CHANCE = 2.0  # times z_size / D, the share that random directions explain; PCA of noise explains 0.9 to 1.1 times it
USUAL_CODE = 32  # numbers: the default, chosen on MNIST (docs/experiments.md)
ABSURD = 10.0  # times the usual weight of a penalty: the recipe of the beta-VAE was tried with weights up to 4
BADLY_EXPLODED = 100.0  # times the limit of `exploded-kl`
FIXED = ("gaussian", "laplace")  # likelihoods with a scale of 1 unless it is learned


def learned_little(case: Case) -> bool:
    """Whether the model explains less than half of the variance, or clearly less than PCA."""
    share, pca = case.explained, case.pca_explained
    return share is not None and (share < LITTLE or (pca is not None and share < NEAR_PCA * pca))


def code_size(case: Case) -> Verdict | None:
    """Given only if a code of this size explains little of the variance, both the network's and PCA's."""
    share, pca, z_size = case.explained, case.pca_explained, case.number("z_size")
    if case.facts.is_denoiser or share is None or pca is None or z_size is None or share >= LITTLE or pca >= LITTLE:
        return None
    if share < NEAR_PCA * pca and 1 - share > HARDLY and case.peak_lr is not None and not _usual(case.peak_lr):
        return None  # the model has not learned at all, for another reason
    if case.test_misleads:
        return None  # such test errors say nothing about the code
    if (case.number("baselines", "pca", "n_components") or z_size) < z_size:
        return None  # there were too few samples for a PCA of that size, so it is not the code that is small
    D = math.prod(case.metrics["data"]["shape"])
    more = int(min(max(2 * z_size, USUAL_CODE), D // 2))
    text = f"A code of {counted(int(z_size), 'number')} holds too little: the model explains {max(share, 0.0):.0%} of"
    text += f" the variance between {case.sample}s, PCA of the same size {pca:.0%}."
    level: Level = "fail" if share < LITTLE_AT_ALL else "warn"
    if pca <= BY_CHANCE * z_size / D:
        text += f" Random directions would explain as much: the values of the {case.sample}s are nearly unrelated."
        return Verdict("code-size", level, text, case.facts.check())
    return Verdict("code-size", level, text, case.facts.train(f"--z-size {more}"))


def learning_rate(case: Case) -> Verdict | None:
    """Given only for a model that has learned little with an unusual learning rate."""
    peak = case.peak_lr
    if peak is None or _usual(peak) or not learned_little(case) or case.facts.recipe == "seed":
        return None
    word = "high" if peak > USUAL_LR else "low"
    text = f"The peak learning rate of {number(peak)} is far too {word}: {number(USUAL_LR)} is usual."
    return Verdict("learning-rate", "warn", text, case.facts.train(f"--lr {USUAL_LR:.1g}"))


def _usual(peak: float) -> bool:
    return USUAL_LR / 10 < peak <= USUAL_LR


def penalty_weight(case: Case) -> Verdict | None:
    """Given only for a model that has learned little with a penalty of over ten times the usual weight."""
    found = [(name, *pair) for name, pair in case.facts.weights.items() if pair[0] > ABSURD * pair[1]]
    if not found or not learned_little(case):
        return None
    name, weight, usual = max(found, key=lambda each: each[1] / max(each[2], 1e-12))
    text = f"The penalty {name} has a weight of {number(weight)}, where {number(usual)} is usual, so the"
    text += " reconstruction error hardly counts. Lower the weight."
    return Verdict("penalty-weight", "warn", text, case.facts.train(f"--set weights={name}:{usual:g}"))


def fixed_variance(case: Case) -> Verdict | None:
    """Given only for a VAE of images in [0, 1] that has learned little with a fixed standard deviation of 1.

    With that standard deviation, the detail of an image in [0, 1] is worth less than the divergence that it costs.
    Source: Rybkin et al. 2021, Sigma VAE, arXiv:2006.13202, section 3.
    """
    facts, Z = case.facts, case.number("z_size") or 0
    kl, active = case.number("code", "kl"), case.number("code", "active_units")
    if kl is None or case.table or facts.likelihood not in FIXED or not facts.has_floor:
        return None
    if kl >= SILENT and (active or 0) >= FEW * Z and not learned_little(case):
        return None
    text = "The cost assumes that every pixel has a standard deviation of 1, as large as the whole range [0, 1], so no"
    text += " detail is worth the KL divergence that it costs."
    fix = facts.train(f"--set model.likelihood={facts.likelihood},variance=shared")
    return Verdict("fixed-variance", "warn", text, fix)


def exploded_kl(case: Case) -> Verdict | None:
    """Given only if a Gaussian code has more nats of KL than 32-bit numbers can hold."""
    kl, Z = case.number("code", "kl"), case.number("z_size")
    if kl is None or not Z or kl <= MOST_NATS * Z:
        return None
    level: Level = "fail" if kl > BADLY_EXPLODED * MOST_NATS * Z else "warn"
    text = f"The code has exploded: {number(kl)} nats of KL are {number(kl / Z)} per unit, but a number of 24 bits"
    text += f" holds only {MOST_NATS}. Its means are far outside the prior, so new samples will not look like the data."
    weight, usual = case.facts.weights.get("kl", (1.0, 1.0))
    if weight < usual / ABSURD:
        return Verdict("exploded-kl", level, text, case.facts.train(f"--set weights=kl:{usual:g}"))
    peak = case.peak_lr
    fix = case.facts.train(f"--lr {min(peak / 3, USUAL_LR):.1g}") if peak else None
    return Verdict("exploded-kl", level, text, fix)


def explains_little(case: Case) -> Verdict | None:
    """Given only if the model explains less than half of the variance, although PCA shows that more is possible."""
    share, pca = case.explained, case.pca_explained
    if case.facts.is_denoiser or share is None or not 1 - HARDLY < share < LITTLE or code_size(case) is not None:
        return None
    text = f"The model explains {share:.0%} of the variance between {case.sample}s"
    text += f", PCA of the same size {pca:.0%}." if pca is not None and not case.pca_loses_nothing else "."
    level: Level = "fail" if share < LITTLE_AT_ALL else "warn"
    return Verdict("explains-little", level, text, _explain_more(case))


def _explain_more(case: Case) -> str | None:
    """A smaller KL weight if there is one; else as for a model that has learned too little."""
    weight, _ = case.facts.weights.get("kl", (0.0, 0.0))
    if finite(case.number("code", "kl")) and weight > 0 and not case.facts.is_short:
        return case.facts.train(f"--set weights=kl:{weight / 3:.1g}")
    return case.learn_better()
