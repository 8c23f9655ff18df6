"""Lets the dense layers of a model write their gradients directly into the optimizer's memory during training."""

from __future__ import annotations

from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.dense_chain import DenseChain
from isthmus.training.adamw import AdamW
from isthmus.training_config import TrainingConfig


class WrittenSteps:
    """The chains of dense layers that write to the places of `optimizer`, until `close`."""

    def __init__(self, chains: list[DenseChain], optimizer: AdamW, *, low: bool) -> None:
        self.chains, self.optimizer = chains, optimizer
        places, cast = optimizer.places(), optimizer.keep_low() if low and chains else None
        for chain in chains:
            chain.write_to(places, cast)

    def close(self) -> None:
        """Restores layers and parameters to their usual form."""
        for chain in self.chains:
            chain.write_nowhere()
        self.optimizer.release()


def write_out(model: AbstractModel, optimizer: AdamW, settings: TrainingConfig) -> WrittenSteps:
    """Lets the chains of a model write out, only on the CPU, where this was measured.

    Not with terms, which may differentiate the encoder's gradient again; gradients that are written out do not allow
    this.
    """
    chains = [m for m in model.modules() if isinstance(m, DenseChain)]
    if model.device.type != "cpu" or model.terms:
        chains = []
    return WrittenSteps(chains, optimizer, low=settings.precision == "bfloat16")


__all__ = ["WrittenSteps", "write_out"]
