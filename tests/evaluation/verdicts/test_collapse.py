"""Codes that fall silent: each verdict on a healthy code and on one with the fault planted, and on real models."""

from __future__ import annotations

from typing import Any

import pytest

import tiny
from isthmus.evaluation.metrics.code_usage import occupancy
from isthmus.evaluation.verdicts import collapse
from isthmus.evaluation.verdicts.cases import Case, Verdict
from isthmus.evaluation.verdicts.verdict_inputs import Facts


def case(history: tuple[dict[str, float], ...] = (), **code: Any) -> Case:
    metrics = {"data": {"shape": [1, 28, 28]}, "z_size": 20, "code": code}
    return Case(metrics, history, Facts(source="mnist-2k", recipe="vae", best_epoch=1, epochs=1, path="runs/a"))


def told(verdict: Verdict | None) -> tuple[str, str, str]:
    assert verdict is not None
    return verdict.id, verdict.level, verdict.text


def test_fault_46_a_collapsed_code_is_told_with_its_nats_and_units() -> None:
    verdict = collapse.posterior_collapse(case(kl=0.004, active_units=0))
    assert told(verdict) == (
        "posterior-collapse",
        "fail",
        "The code has collapsed to its prior and holds no information about the image: 0.004 nats of KL, 0 of 20 units"
        " active.",
    )
    assert verdict is not None
    assert verdict.try_next == "isthmus train --config runs/a/config.toml --set penalty_warmup=0.3"
    assert told(collapse.posterior_collapse(case(kl=2.0, active_units=1)))[1] == "warn"


def test_fault_46_spare_units_of_a_healthy_code_are_no_fault() -> None:
    _, level, text = told(collapse.posterior_collapse(case(kl=24.0, active_units=12)))
    assert level == "pass"
    assert text.endswith("24 nats of KL, 12 of 20 units active. The others stay at the prior, where they cost nothing.")
    assert collapse.posterior_collapse(case()) is None


def test_fault_46_codewords_out_of_use_are_told() -> None:
    healthy = collapse.dead_codes(case(codes=512, tokens=1600, used=480, perplexity=400.0))
    assert told(healthy)[1:] == (
        "pass",
        "The codewords are used: 480 of 512 occur, with a perplexity of 400.",
    )
    few = collapse.dead_codes(case(({"commitment": 1.0},), codes=512, tokens=1600, used=20, perplexity=9.0))
    assert told(few)[1] == "warn"
    assert few is not None
    assert few.try_next == "isthmus train --config runs/a/config.toml --bottleneck vq:9"
    one = collapse.dead_codes(case(codes=512, tokens=1600, used=2, perplexity=1.1))
    assert told(one)[:2] == ("dead-codes", "fail")
    small = collapse.dead_codes(case(codes=512, tokens=40, used=30, perplexity=25.0))
    assert told(small)[1] == "pass"  # forty tokens cannot use five hundred codewords


def test_fault_45_held_log_variances_are_told_with_their_share() -> None:
    history = ({"lr": 0.006},)
    verdict = collapse.log_variance_held(case(history, log_var_held=0.02))
    assert told(verdict)[:2] == ("log-variance-held", "warn")
    assert told(verdict)[2].startswith("2.00% of the log-variances of the code were clamped")
    assert verdict is not None
    assert str(verdict.try_next).endswith("--lr 0.002")
    assert told(collapse.log_variance_held(case(log_var_held=0.0001)))[1] == "pass"
    assert collapse.log_variance_held(case(log_var_held=0.0)) is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"kl": 0.01}, "holds no information: 0.01 nats of KL"),
        ({"kl": 0.0}, "holds no information: 0 nats of KL"),
        ({"perplexity": 1.2}, "the same codeword: perplexity 1.2"),
        ({"kl": 20.0, "log_var_held": 0.5}, "50.00% of the log-variances"),
    ],
)
def test_fault_46_the_running_training_tells_of_a_silent_code(row: dict[str, float], says: str) -> None:
    assert says in str(collapse.live(row))


@pytest.mark.parametrize("row", [{}, {"kl": 20.0, "log_var_held": 0.0}, {"perplexity": 50.0}, {"kl": None}])
def test_fault_46_the_running_training_says_nothing_of_a_healthy_code(row: dict[str, Any]) -> None:
    assert collapse.live(row) is None


def test_fault_46_a_model_under_far_too_large_a_weight_is_found_collapsed(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, bottleneck="gaussian", weights={"kl": 1e4}, steps=120)
    trainer = tiny.trainer(ready)
    tiny.run(trainer)
    used = occupancy(trainer.model, ready.tensor(ready.splits.test))
    assert told(collapse.posterior_collapse(case(**used)))[1] == "fail"
    assert collapse.live(trainer.monitor.history[-1]) is not None
