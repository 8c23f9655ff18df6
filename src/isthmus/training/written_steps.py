"""Lets the dense layers of a model write their gradients where the optimizer takes them, for as long as it trains."""

from __future__ import annotations

from isthmus.models.abstract_model import AbstractModel
from isthmus.parts.dense_chain import DenseChain
from isthmus.training.adamw import AdamW
from isthmus.training_config import TrainingConfig


class WrittenSteps:
    """The chains of dense layers that write to the places of `optimizer`; `close` ends it."""

    def __init__(self, chains: list[DenseChain], optimizer: AdamW, *, low: bool) -> None:
        self.chains, self.optimizer = chains, optimizer
        places, cast = optimizer.places(), optimizer.keep_low() if low and chains else None
        for chain in chains:
            chain.write_to(places, cast)

    def close(self) -> None:
        """Layers and parameters are as they were made."""
        for chain in self.chains:
            chain.write_nowhere()
        self.optimizer.release()


def write_out(model: AbstractModel, optimizer: AdamW, settings: TrainingConfig) -> WrittenSteps:
    """Begins it for a model on the processor, where it was measured.

    Not where a term differentiates the encoder's gradient once more, which what is written out cannot give.
    """
    chains = [m for m in model.modules() if isinstance(m, DenseChain)]
    if model.device.type != "cpu" or model.terms:
        chains = []
    return WrittenSteps(chains, optimizer, low=settings.precision == "bfloat16")


__all__ = ["WrittenSteps", "write_out"]
