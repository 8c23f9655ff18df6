"""Initializes layers as a linear code, so that training need not find it step by step.

With these activations, two units can carry a linear function: f(a) - f(-a) = a for SiLU, GELU and ReLU. So each number
of the code passes through every layer as such a pair, and the other units start at random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.errors import UsageError
from isthmus.parts.shortcuts import SMALL, LinearCode

PAIRS_KEEP = {"silu", "gelu", "relu"}
LINES_GO_THROUGH = {"bernoulli", "gaussian", "gaussian,output=sigmoid"}  # likelihoods whose mean is x, or nearly
SIZE = 1.5  # standard deviation of a unit of a pair; 1 and 2 are no better after 70 steps: docs/speedrun.md
# Logits for a difference of 1 in x. At x = 1/2 the slope of the logit is 4, and it is larger elsewhere; among 3, 6 and
# 9, this value is best after 50, 70 and 120 steps.
LOGITS = 6.0


@torch.no_grad()
def start_layers(encoder: nn.Module, decoder: nn.Module, code: LinearCode, *, logits: bool) -> None:
    """Sets z = (x - mean) directions / sizes, and the output to mean + (sizes z) directions, as far as it is linear.

    Uses at most as many of the K numbers of `code` as half of the narrowest layer. The output's bias is not changed,
    because it already starts at the mean. The weights of other units start at a tenth, so that they add little.
    """
    into, out_of = _linear(encoder), _linear(decoder)
    k = min(len(code.sizes), *(layer.out_features // 2 for layer in (*into[:-1], *out_of[:-1])), into[-1].out_features)
    if not k:
        return
    directions, sizes = code.directions[:, :k], code.sizes[:k]
    first = SIZE * (directions / sizes).T
    rise = directions * sizes * (LOGITS if logits else 1.0)
    if not into[:-1]:  # a single layer without an activation
        into[0].weight[:k], into[0].bias[:k] = first / SIZE, -first @ code.mean / SIZE
    else:
        _set_pair(into[0], first, -first @ code.mean)
        for layer in into[1:-1]:
            _carry(layer, k)
        into[-1].weight.mul_(SMALL)
        _read_pair(into[-1], torch.eye(k) / SIZE, k)
    if not out_of[:-1]:
        out_of[0].weight[:, :k] = rise
        return
    _set_pair(out_of[0], SIZE * torch.eye(k, out_of[0].in_features), torch.zeros(k))
    for layer in out_of[1:-1]:
        _carry(layer, k)
    out_of[-1].weight.mul_(SMALL)
    _read_pair(out_of[-1], rise / SIZE, k)


def refuse_start(network: str, activation: str, bottleneck: str, likelihood: str) -> None:
    """Raises: UsageError for parts that cannot carry a linear code, or for which it is not the best start."""
    for what, given, allowed in (
        ("network", network, {"mlp"}),
        ("activation", activation, PAIRS_KEEP),
        ("bottleneck", bottleneck, {"identity"}),
        ("likelihood", likelihood, LINES_GO_THROUGH),
    ):
        if given not in allowed:
            *others, last = sorted(allowed)
            named = f"{', '.join(others)} or {last}" if others else last
            message = f"--set init=components needs {what} {named}, but it is {given}."
            raise UsageError("USAGE-INIT", message, fix="pass --set init=orthogonal, the usual initialization")


def _linear(side: nn.Module) -> list[nn.Linear]:
    return [layer for layer in side.modules() if isinstance(layer, nn.Linear)]


def _set_pair(layer: nn.Linear, rows: Tensor, bias: Tensor) -> None:
    """Sets the first 2k units to rows x + bias, and to its negative."""
    k = len(rows)
    layer.weight[:k], layer.weight[k : 2 * k] = rows, -rows
    layer.bias[:k], layer.bias[k : 2 * k] = bias, -bias


def _carry(layer: nn.Linear, k: int) -> None:
    """Passes pairs through unchanged."""
    _set_pair(
        layer, torch.cat([torch.eye(k), -torch.eye(k), torch.zeros(k, layer.in_features - 2 * k)], 1), torch.zeros(k)
    )


def _read_pair(layer: nn.Linear, columns: Tensor, k: int) -> None:
    """Sets the weights of the first 2k units, as pairs, for each output."""
    layer.weight[:, : 2 * k] = 0.0
    layer.weight[: len(columns), :k], layer.weight[: len(columns), k : 2 * k] = columns, -columns


__all__ = ["LINES_GO_THROUGH", "refuse_start", "start_layers"]
