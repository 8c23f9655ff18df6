"""What the judgment measures for its verdicts beside the metrics."""

from __future__ import annotations

import numpy as np
import pytest

import tiny
from isthmus.evaluation.metrics.forward_pass import pass_through
from isthmus.evaluation.verdicts.judge import gather


@pytest.mark.parametrize(("likelihood", "has_floor"), [("gaussian", True), ("gaussian,variance=shared", False)])
def test_a_learned_variance_is_judged_by_squared_errors(likelihood: str, has_floor: bool) -> None:
    prepared = tiny.prepared(tiny.table(), likelihood=likelihood, epochs=1)
    model, splits = tiny.trainer(prepared).model, prepared.splits
    passed = pass_through(model, prepared.tensor(splits.test), 0)
    facts = gather(prepared, model, passed, {})
    assert facts.has_floor is has_floor
    for cost, samples in ((facts.train_cost, splits.train), (facts.test_cost, splits.test)):
        x = prepared.x(samples)
        # A fixed Gaussian's cost is the squared error too; a learned one's would be in nats.
        assert cost == pytest.approx(float(np.square((model.x_hat(x) - x).detach().numpy()).mean()), rel=1e-4)
