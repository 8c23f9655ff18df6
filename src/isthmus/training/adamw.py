"""AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with our groups of parameters, each in one tensor.

The update is PyTorch's own kernel. Its class is not used because it collects its lists again at every step, needs a
kernel call for each small tensor, and imports PyTorch's compiler at first use, which costs 2 seconds in every run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from isthmus.training.flat_group import FlatGroup

EPS = 1e-8  # the default of PyTorch and of Kingma and Ba 2015, algorithm 1


class AdamW:
    """Steps of AdamW on groups of parameters, given as (parameters, peak rate, weight decay)."""

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[nn.Parameter], float, float]],
        betas: tuple[float, float],
    ) -> None:
        self.betas = betas
        self.groups = [
            FlatGroup(list(alike), peak=peak, decay=decay)
            for parameters, peak, decay in groups
            for _, alike in groupby(sorted(parameters, key=_type), key=_type)
        ]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.groups for p in group.parameters]

    @property
    def is_fused(self) -> bool:
        """Whether a step is one kernel per group, which never waits for `grad_scale` and `found_inf`."""
        return all(group.is_fused for group in self.groups)

    @property
    def rate(self) -> float:
        """The first group's rate in the last step."""
        return float(self.groups[0].rate)

    def norm(self) -> Tensor:
        """The norm of all gradients together, ()."""
        found = [gradient for group in self.groups for gradient in group.found_gradients()]
        if len(found) == len(self.groups) and all(gradient.ndim == 1 for gradient in found):
            return sum((g.dot(g) for g in found[1:]), found[0].dot(found[0])).sqrt()  # takes half the time
        return torch.nn.utils.get_total_norm(found)

    def step(self, share: float | Tensor, *, grad_scale: Tensor | None = None, found_inf: Tensor | None = None) -> None:
        """One update at `share` of every group's peak rate; for a captured step, `share` is () on the device.

        Gradients are divided by `grad_scale` first, and nothing happens if `found_inf` is 1. Both are () on the
        device; `found_inf` needs the kernel.
        """
        for group in self.groups:
            group.step(share, self.betas, EPS, scale=grad_scale, skip=found_inf)

    def places(self) -> dict[int, Tensor]:
        """Where the gradient of each parameter may be written, by its `id`."""
        return {id(p): place for group in self.groups for p, place in zip(group.parameters, group.places, strict=True)}

    def keep_low(self) -> dict[int, Tensor]:
        """Copies of the weights in bfloat16 that follow every step, by the parameter's `id`."""
        return {id(p): low for group in self.groups for p, low in zip(group.parameters, group.keep_low(), strict=True)}

    def refresh_low(self) -> None:
        """Updates those copies after other code has changed the weights."""
        for group in self.groups:
            group.refresh_low()

    def release(self) -> None:
        """Gives each parameter its own memory again; the next step collects them again."""
        for group in self.groups:
            group.release()

    def tensors(self) -> dict[str, Tensor]:
        """The state by flat names, for a checkpoint: `"3.exp_avg"` belongs to the fourth parameter."""
        states = [state for group in self.groups for state in group.state()]
        return {f"{i}.{name}": value for i, state in enumerate(states) for name, value in state.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores the state that `tensors` returned; settings such as rates stay as they are."""
        states: list[dict[str, Tensor]] = [{} for _ in self.parameters]
        for address, value in tensors.items():
            index, _, name = address.partition(".")
            states[int(index)][name] = value
        for group in self.groups:
            n = len(group.parameters)
            group.restore(states[:n])
            states = states[n:]


def _type(parameter: Tensor) -> str:
    return str(parameter.dtype)


__all__ = ["AdamW"]
