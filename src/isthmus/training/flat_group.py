"""Parameters with the same settings, stored in one tensor, and one step of AdamW on all of them.

One operation on a long tensor is faster than many operations on short ones, above all if layers are small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

FUSED_ON = {"cpu", "cuda"}  # devices on which PyTorch has one kernel for the whole update
KERNEL = "_fused_adamw_"  # private in PyTorch, which may remove it
STATE = ("exp_avg", "exp_avg_sq")  # PyTorch's names of the two averages


class FlatGroup:
    """`parameters` of one type as views of `weights`; their gradients may be written to `places`.

    `peak` is their highest learning rate, `rate` that of the last step, `decay` the share that weights lose per step
    at rate 1.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, peak: float, decay: float) -> None:
        self.parameters, self.peak, self.decay, self.rate = list(parameters), peak, decay, peak
        device = parameters[0].device
        self.weights = torch.cat([_real(p.detach()).reshape(-1) for p in parameters])
        self.gradients, *self.moments = (torch.zeros_like(self.weights) for _ in range(3))
        self.steps = torch.zeros(len(parameters), device=device)  # one for each parameter, because a step may skip some
        self.places = self.views(self.gradients)
        flats = self.weights, *self.moments
        self._lists = [*(self.views(flat) for flat in flats), list(self.steps)]
        self.low: Tensor | None = None
        self.is_even = True  # whether all have taken the same steps
        self.is_gathered = False
        has_kernel = hasattr(torch, KERNEL) and device.type in FUSED_ON
        self._kernel: Callable[..., object] | None = getattr(torch, KERNEL) if has_kernel else None
        self.gather()

    @property
    def is_fused(self) -> bool:
        """Whether a step is one kernel, which takes `grad_scale` and `found_inf` without waiting for them."""
        return self._kernel is not None

    def views(self, flat: Tensor) -> list[Tensor]:
        """The part of `flat` for each parameter, in its shape."""
        whole = [p.numel() * (2 if p.is_complex() else 1) for p in self.parameters]
        cuts = pairwise(accumulate(whole, initial=0))
        return [_shaped(flat[a:b], p) for (a, b), p in zip(cuts, self.parameters, strict=True)]

    def gather(self) -> None:
        """Makes the parameters views of `weights`, with their current values."""
        if self.is_gathered:
            return
        for parameter, place in zip(self.parameters, self.views(self.weights), strict=True):
            place.copy_(parameter.detach())
            parameter.data = place
        self.is_gathered = True

    @torch.no_grad()
    def release(self) -> None:
        """Gives each parameter its own memory again, as other code expects."""
        if not self.is_gathered:
            return
        for parameter in self.parameters:
            value = parameter.detach()
            parameter.data = torch.empty_like(value)
            parameter.copy_(value)  # PyTorch counts this change, but not those of the flat tensor
            parameter.grad = None
        self.is_gathered = False

    def keep_low(self) -> list[Tensor]:
        """A copy of the weights in bfloat16, in the shapes of the parameters, that follows every step."""
        self.low = self.weights.to(torch.bfloat16)
        return self.views(self.low)

    def refresh_low(self) -> None:
        """Updates the copy after other code has changed the weights."""
        if self.low is not None:
            self.low.copy_(self.weights)

    def found_gradients(self) -> list[Tensor]:
        """The gradients for the step: one flat tensor if every gradient is in its place, otherwise one each."""
        found = [p.grad for p in self.parameters]
        if self._are_placed(found):
            return [self.gradients]
        return [_real(grad) for grad in found if grad is not None]

    def _are_placed(self, gradients: Sequence[Tensor | None]) -> bool:
        return all(grad is place for grad, place in zip(gradients, self.places, strict=True))

    def step(
        self,
        share: float | Tensor,
        betas: tuple[float, float],
        eps: float,
        *,
        scale: Tensor | None,
        skip: Tensor | None,
    ) -> None:
        """Updates the parameters that have a gradient, at `share` of the peak rate.

        Gradients are divided by `scale` first, and nothing happens if `skip` is 1; both are () on the device.
        """
        self.gather()
        found = [p.grad for p in self.parameters]
        given = [grad is not None for grad in found]
        if not any(given):
            return
        self.rate = self.peak * share
        self.is_even = self.is_even and all(given)
        if self.is_even and self._are_placed(found):
            state = [[self.gradients], [self.weights], *([m] for m in self.moments), [self.steps[0]]]
        else:
            lists = [found, *self._lists]
            state = [[_real(v) for v, has in zip(values, given, strict=True) if has] for values in lists]
        taken = torch.tensor(given, dtype=self.steps.dtype, device=self.steps.device) if not all(given) else 1.0
        self.steps += taken
        self._update(*state, betas=betas, eps=eps, scale=scale, skip=skip)
        if skip is not None:
            self.steps -= skip * taken
        self.refresh_low()

    def _update(
        self,
        gradients: list[Tensor],
        weights: list[Tensor],
        averages: list[Tensor],
        squares: list[Tensor],
        steps: list[Tensor],
        *,
        betas: tuple[float, float],
        eps: float,
        scale: Tensor | None,
        skip: Tensor | None,
    ) -> None:
        if self._kernel is None:
            for state in zip(weights, gradients, averages, squares, steps, strict=True):
                if scale is not None:
                    state[1].div_(scale)
                _by_hand(*state, rate=float(self.rate), betas=betas, decay=self.decay, eps=eps)
            return
        self._kernel(
            *(weights, gradients, averages, squares, [], steps),
            lr=self.rate,
            beta1=betas[0],
            beta2=betas[1],
            weight_decay=self.decay,
            eps=eps,
            amsgrad=False,
            maximize=False,
            grad_scale=scale,
            found_inf=skip,
        )

    def state(self) -> list[dict[str, Tensor]]:
        """The optimizer state of each parameter, by PyTorch's names."""
        averages, squares = (self.views(moment) for moment in self.moments)
        named = zip(averages, squares, self.steps, strict=True)
        return [dict(zip((*STATE, "step"), values, strict=True)) for values in named]

    def restore(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Restores what `state` returned; a parameter without a state starts again."""
        for values, own in zip(states, self.state(), strict=True):
            for name, tensor in own.items():
                tensor.copy_(values[name]) if name in values else tensor.zero_()
        self.is_even = bool((self.steps == self.steps[0]).all())
        self.refresh_low()


@torch.no_grad()
def _by_hand(
    weight: Tensor,
    gradient: Tensor,
    average: Tensor,
    square: Tensor,
    step: Tensor,
    *,
    rate: float,
    betas: tuple[float, float],
    decay: float,
    eps: float,
) -> None:
    """The update on devices without the kernel: Loshchilov and Hutter 2019, algorithm 2, lines 6 to 12."""
    weight.mul_(1 - rate * decay)
    average.lerp_(gradient, 1 - betas[0])
    square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    first, second = (1 - beta ** float(step) for beta in betas)
    weight.addcdiv_(average, (square.sqrt() / math.sqrt(second)).add_(eps), value=-rate / first)


def _real(tensor: Tensor) -> Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _shaped(part: Tensor, parameter: Tensor) -> Tensor:
    if parameter.is_complex():
        return torch.view_as_complex(part.view(*parameter.shape, 2))
    return part.view(parameter.shape)


__all__ = ["FlatGroup"]
