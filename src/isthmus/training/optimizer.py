"""AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with our groups of parameters, and a step without its Python.

`torch.optim.AdamW.step` gathers its lists anew at every step, which takes as long as a layer's matrix product while
the processor's other cores wait. The optimizer stays PyTorch's own, with its state and its kernel; only the lists are
kept from one step to the next. That calls private functions, and is worth it: without, a step of the default network
takes 1.03 to 1.05 times as long (`benchmarks/optimizer.py`; medians of six runs, one thread, a busy machine).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.config import TrainingConfig
from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.shortcuts import Shortcut

FUSED_ON = {"cpu", "cuda"}  # where PyTorch has the whole update as one kernel
SHORTCUT_LR = 0.1  # of the rate: the linear path starts at its best, and steps of full size would lose it at once
KERNELS = ("_fused_adamw_", "_foreach_add_", "_foreach_sub_")  # private to PyTorch, which may take them away


def adamw(model: AbstractModel, settings: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with the settings' exceptions for some parameters; every group keeps its `peak` rate.

    Unless `decay` is "all", biases are not decayed; the decoder's matrices may have a decay of their own. The first
    layer of our own networks learns at `input_lr` times the rate: its many inputs move together, so a step of the same
    size changes its output most. A linear path beside the layers starts at its best and learns at SHORTCUT_LR times it.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    linear = [m.weight for side in model.sides for m in side.modules() if isinstance(m, Shortcut)]
    layers = (m for m in model.sides[0].modules() if isinstance(m, nn.Linear | nn.Conv2d))
    first = getattr(next(layers, None), "weight", None) if settings.input_lr != 1 else None
    spared = [p for p in trained if settings.decay != "all" and p.ndim <= 1]
    decoder = [p for p in model.sides[1].parameters() if settings.decoder_decay is not None and p.ndim > 1]
    decoder = [p for p in decoder if not any(p is weight for weight in linear)]
    apart = {id(p) for p in [*spared, first, *decoder, *linear] if p is not None}
    groups = [
        {"params": [p for p in trained if id(p) not in apart], "peak": settings.lr},
        {"params": [] if first is None else [first], "peak": settings.lr * settings.input_lr},
        {"params": spared, "peak": settings.lr, "weight_decay": 0.0},
        {"params": decoder, "peak": settings.lr, "weight_decay": settings.decoder_decay},
        {"params": linear, "peak": settings.lr * SHORTCUT_LR, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=model.device.type in FUSED_ON,
    )


def rate(step: int, steps: int, settings: TrainingConfig) -> float:
    """The share of the peak learning rate at `step`: 1 if constant, else linear up over the warm-up and linear to 0."""
    if settings.schedule == "constant":
        return 1.0
    warm = settings.warmup * steps
    return min((step + 1) / max(warm, 1), (steps - step) / max(steps - warm, 1), 1.0)


class Stepper:
    """Steps of a fused AdamW, bit-equal to `optimizer.step()`, from lists that are made once.

    Where a PyTorch has no such kernels, every step is `optimizer.step()`.
    """

    def __init__(self, optimizer: torch.optim.AdamW) -> None:
        self.optimizer = optimizer
        self.fused = bool(optimizer.defaults["fused"])
        self._keeps = self.fused and all(hasattr(torch, name) for name in KERNELS)
        self._groups: list[tuple[dict, list[Tensor], list[Tensor], list[Tensor], list[Tensor]]] = []

    def step(self, share: float, *, grad_scale: Tensor | None = None, found_inf: Tensor | None = None) -> None:
        """One update at `share` of every group's peak rate.

        Gradients are divided by `grad_scale` first, and nothing happens where `found_inf` is 1; both are () on the
        device and need the fused kernel, which never waits for them.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        if not self._groups:
            self._plain(grad_scale, found_inf)
            self._groups = self._gather() if self._keeps else []
            return
        gradients = [[p.grad for p in parameters] for _, parameters, *_ in self._groups]
        if any(g is None for group in gradients for g in group):  # a module that did not use all its layers this time
            self.forget()
            return self._plain(grad_scale, found_inf)
        for (group, parameters, averages, squares, steps), given in zip(self._groups, gradients, strict=True):
            torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateImportUsage]
            torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
                parameters,
                given,  # type: ignore[arg-type]
                averages,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
                grad_scale=grad_scale,
                found_inf=found_inf,
            )
            if found_inf is not None:
                back = [found_inf] * len(steps)
                torch._foreach_sub_(steps, back)  # pyright: ignore[reportPrivateImportUsage]

    def forget(self) -> None:
        """Makes the lists anew at the next step: the optimizer's state was replaced."""
        self._groups = []

    def _plain(self, grad_scale: Tensor | None, found_inf: Tensor | None) -> None:
        if self.fused:  # as GradScaler hands them over; None as well, or those of an earlier step would count
            self.optimizer.grad_scale, self.optimizer.found_inf = grad_scale, found_inf  # type: ignore[attr-defined]
        self.optimizer.step()

    def _gather(self) -> list[tuple[dict, list[Tensor], list[Tensor], list[Tensor], list[Tensor]]]:
        """(group, parameters, averages, squares, steps); empty while a parameter is still without state."""
        state, gathered = self.optimizer.state, []
        for group in self.optimizer.param_groups:
            parameters = group["params"]
            if any(p not in state or p.is_complex() for p in parameters):
                return []
            lists = ([state[p][name] for p in parameters] for name in ("exp_avg", "exp_avg_sq", "step"))
            gathered.append((group, parameters, *lists))
        return gathered
