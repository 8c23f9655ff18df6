"""Checks of codes that can stop carrying information: Gaussian ones that collapse to their prior, unused codewords."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from isthmus.evaluation.verdicts.cases import USUAL_LR, Case, Level, Verdict, finite
from isthmus.wording import number

SILENT = 0.1  # nats of KL: less than a seventh of one bit about the image
FEW = 0.1  # of the units, or of the codewords that could be used: the code is a tenth of its stated size
HELD = 0.001  # of the log-variances: up to a thousandth are single outliers, more are units beyond their range
MOST_NATS = 16.6  # per unit: 24 bits times ln 2, the capacity of the mantissa of a float32
WARMED = 0.3  # of the steps, in which the weight rises: if that was tried, a smaller weight is next
ONE = 2.0  # perplexity: fewer than two equally frequent codewords hold no information


def posterior_collapse(case: Case) -> Verdict | None:
    """Whether the code of a variational autoencoder holds information about the sample, and in how many units."""
    kl, active, Z = case.number("code", "kl"), case.number("code", "active_units"), case.number("z_size")
    if kl is None or active is None or Z is None:
        return None
    if kl > MOST_NATS * Z:
        return None  # it has exploded, which has its own verdict
    numbers = f"{number(kl)} nats of KL, {active:.0f} of {Z:.0f} units active"
    weight, _ = case.facts.weights.get("kl", (1.0, 1.0))
    change = "--set penalty_warmup=0.3" if case.facts.penalty_warmup < WARMED else f"--set weights=kl:{weight / 3:.1g}"
    fix = case.facts.train(change)
    if kl < SILENT or not active:
        text = f"The code has collapsed to its prior and holds no information about the {case.sample}: {numbers}."
        return Verdict("posterior-collapse", "fail", text, fix)
    if active < FEW * Z:
        text = f"Most of the code has collapsed to its prior: {numbers}."
        return Verdict("posterior-collapse", "warn", text, fix)
    spare = " The others stay at the prior, where they cost nothing." if active < Z else ""
    return Verdict("posterior-collapse", "pass", f"The code has not collapsed to its prior: {numbers}.{spare}")


def log_variance_held(case: Case) -> Verdict | None:
    """Whether log-variances had to be clamped during training, so that they did not overflow."""
    share = case.number("code", "log_var_held")
    if not share:
        return None
    text = f"{share:.2%} of the log-variances of the code were clamped to the limits of their range during training"
    if share <= HELD:
        return Verdict("log-variance-held", "pass", f"{text}, too few to matter.")
    fix = case.facts.train(f"--lr {min(case.peak_lr / 3, USUAL_LR):.1g}") if case.peak_lr else None
    return Verdict("log-variance-held", "warn", f"{text}: the encoder leaves the useful range.", fix)


def dead_codes(case: Case) -> Verdict | None:
    """Whether the codewords of a quantized code are used, measured by perplexity, in which rare ones count less."""
    codes, perplexity = case.number("code", "codes"), case.number("code", "perplexity")
    tokens, used = case.number("code", "tokens"), case.number("code", "used")
    if codes is None or perplexity is None or tokens is None or used is None:
        return None
    numbers = f"{used:.0f} of {codes:.0f} occur, with a perplexity of {number(perplexity)}"
    possible = min(codes, tokens)
    if perplexity >= max(FEW * possible, ONE):
        return Verdict("dead-codes", "pass", f"The codewords are used: {numbers}.")
    level: Level = "fail" if perplexity < ONE else "warn"
    learned = case.number("code", "log_var_held") is None and "commitment" in (case.history[-1] if case.history else {})
    fix = case.facts.train(f"--bottleneck vq:{max(2, round(perplexity))}") if learned and level == "warn" else None
    return Verdict("dead-codes", level, f"Most codewords are unused: {numbers}.", fix or case.learn_better())


def live(row: Mapping[str, Any]) -> str | None:
    """A problem of the code that a row of the history shows during training, while it can be stopped; else None."""
    kl, perplexity, held = (_number(row, name) for name in ("kl", "perplexity", "log_var_held"))
    if kl < SILENT:
        return f"the code still holds no information: {number(kl)} nats of KL (--set penalty_warmup=0.3 may help)"
    if perplexity < ONE:
        return f"nearly all tokens are the same codeword: perplexity {number(perplexity)} (a lower --lr may help)"
    if held > HELD:
        return f"{held:.2%} of the log-variances are clamped to the limits of their range (a lower --lr may help)"
    return None


def _number(row: Mapping[str, Any], name: str) -> float:
    """The number in this column; NaN, which is neither above nor below any limit, if there is none."""
    value = row.get(name)
    return float(value) if value is not None and finite(value) else math.nan
