"""Questions about settings that the data cannot bear, told only where something came of it: code, rate, penalties."""

from __future__ import annotations

import math

from isthmus.evaluation.verdicts.cases import HARDLY, LITTLE, USUAL_LR, Case, Level, Verdict, finite
from isthmus.evaluation.verdicts.collapse import FEW, MOST_NATS, SILENT
from isthmus.wording import counted, number

LITTLE_AT_ALL = 0.25  # of what varies: three quarters are lost
NEAR_PCA = 0.8  # of what PCA explains: the network does about what so few numbers can, so they are what is missing
BY_CHANCE = 2.0  # times the share of the directions that a code has; of noise PCA's have 0.9 to 1.1
USUAL_CODE = 32  # numbers: the default, chosen on MNIST (docs/experiments.md)
ABSURD = 10.0  # times the usual weight of a penalty: beta-VAEs were tried with up to 4 in the recipe, 10 beyond it
BADLY_EXPLODED = 100.0  # times that
FIXED = ("gaussian", "laplace")  # likelihoods whose scale is 1 unless it is learned


def learned_little(case: Case) -> bool:
    """Whether the test error shows that something is missing: less is explained than half, or than by PCA."""
    share, pca = case.explained, case.pca_explained
    return share is not None and (share < LITTLE or (pca is not None and share < NEAR_PCA * pca))


def code_size(case: Case) -> Verdict | None:
    """Told only where so few numbers hold little of what varies, for the network and for PCA alike."""
    share, pca, z_size = case.explained, case.pca_explained, case.number("z_size")
    if case.facts.is_denoiser or share is None or pca is None or z_size is None or share >= LITTLE or pca >= LITTLE:
        return None
    if share < NEAR_PCA * pca and 1 - share > HARDLY and case.peak_lr is not None and not _usual(case.peak_lr):
        return None  # it has not learned at all, for another reason
    if case.test_misleads:
        return None  # such test errors say nothing about the code
    D = math.prod(case.metrics["data"]["shape"])
    more = int(min(max(2 * z_size, USUAL_CODE), D // 2))
    text = f"A code of {counted(int(z_size), 'number')} holds little of what varies between {case.sample}s:"
    text += f" {max(share, 0.0):.0%} is explained, by PCA of the same size {pca:.0%}."
    level: Level = "fail" if share < LITTLE_AT_ALL else "warn"
    if pca <= BY_CHANCE * z_size / D:
        text += " Directions drawn by chance would explain as much: its values have little to do with each other."
        return Verdict("code-size", level, text, case.facts.check())
    if more > z_size:
        return Verdict("code-size", level, text, case.facts.train(f"--z-size {more}"))
    text += f" Half as many numbers as a {case.sample} has are no more: its values have little to do with each other."
    return Verdict("code-size", level, text, case.facts.check())


def learning_rate(case: Case) -> Verdict | None:
    """Told only of a model that has learned little at a rate far from the usual one."""
    peak = case.peak_lr
    if peak is None or _usual(peak) or not learned_little(case) or case.facts.recipe == "seed":
        return None
    word = "high" if peak > USUAL_LR else "low"
    text = f"The learning rate went up to {number(peak)}, which is far too {word}: usual is {number(USUAL_LR)}."
    return Verdict("learning-rate", "warn", text, case.facts.train(f"--lr {USUAL_LR:.1g}"))


def _usual(peak: float) -> bool:
    return USUAL_LR / 10 < peak <= USUAL_LR


def penalty_weight(case: Case) -> Verdict | None:
    """Told only of a model that has learned little under a penalty that counts ten times as much as usual, or more."""
    found = [(name, *pair) for name, pair in case.facts.weights.items() if pair[0] > ABSURD * pair[1]]
    if not found or not learned_little(case):
        return None
    name, weight, usual = max(found, key=lambda each: each[1] / max(each[2], 1e-12))
    text = f"The penalty {name} counts {number(weight)} times, where {number(usual)} is usual, so that the cost of the"
    text += f" {case.sample}s themselves hardly counts: lower the weight of {name}."
    return Verdict("penalty-weight", "warn", text, case.facts.train(f"--set weights={name}:{usual:g}"))


def fixed_variance(case: Case) -> Verdict | None:
    """Told only of a VAE of images in [0, 1] that has learned little while its error is counted at deviation 1.

    At that deviation all the detail of an image in [0, 1] is worth less than the divergence that would carry it.
    Source: Rybkin et al. 2021, Sigma VAE, arXiv:2006.13202, section 3.
    """
    facts, Z = case.facts, case.number("z_size") or 0
    kl, active = case.number("code", "kl"), case.number("code", "active_units")
    if kl is None or case.table or facts.likelihood not in FIXED or not facts.has_floor:
        return None
    if kl >= SILENT and (active or 0) >= FEW * Z and not learned_little(case):
        return None
    text = "The error is counted as if every pixel had a deviation of 1, as wide as all of [0, 1], so that no detail is"
    text += " worth the divergence that the code pays for it."
    fix = facts.train(f"--set model.likelihood={facts.likelihood},variance=shared")
    return Verdict("fixed-variance", "warn", text, fix)


def exploded_kl(case: Case) -> Verdict | None:
    """Told only where a Gaussian code says more than numbers of a computer can hold."""
    kl, Z = case.number("code", "kl"), case.number("z_size")
    if kl is None or not Z or kl <= MOST_NATS * Z:
        return None
    level: Level = "fail" if kl > BADLY_EXPLODED * MOST_NATS * Z else "warn"
    text = f"The code has exploded: {number(kl)} nats of KL are {number(kl / Z)} a unit, where a number of 24 bits"
    text += (
        f" holds {MOST_NATS}. Its means lie far outside of the prior, so what is drawn from that is not like the data."
    )
    weight, usual = case.facts.weights.get("kl", (1.0, 1.0))
    if weight < usual / ABSURD:
        return Verdict("exploded-kl", level, text, case.facts.train(f"--set weights=kl:{usual:g}"))
    peak = case.peak_lr
    fix = case.facts.train(f"--lr {min(peak / 3, USUAL_LR):.1g}") if peak else None
    return Verdict("exploded-kl", level, text, fix)


def explains_little(case: Case) -> Verdict | None:
    """Told only where less than half of what varies comes back, though PCA shows that more could."""
    share, pca = case.explained, case.pca_explained
    if case.facts.is_denoiser or share is None or not 1 - HARDLY < share < LITTLE or code_size(case) is not None:
        return None
    text = f"It explains {share:.0%} of what varies between {case.sample}s"
    text += f", PCA of the same size {pca:.0%}." if pca is not None and not case.pca_loses_nothing else "."
    level: Level = "fail" if share < LITTLE_AT_ALL else "warn"
    return Verdict("explains-little", level, text, _explain_more(case))


def _explain_more(case: Case) -> str | None:
    """Under a divergence a smaller weight of it; else as for a model that has not learned."""
    weight, _ = case.facts.weights.get("kl", (0.0, 0.0))
    if finite(case.number("code", "kl")) and weight > 0 and not case.facts.is_short:
        return case.facts.train(f"--set weights=kl:{weight / 3:.1g}")
    return case.learn_better()
