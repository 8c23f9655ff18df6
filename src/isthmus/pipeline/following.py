"""What all processes but the first do: they compute their part of each step, and write and print nothing."""

from __future__ import annotations

from pathlib import Path
from signal import SIGINT

from isthmus.errors import DivergedError, Interrupted
from isthmus.models.abstract_model import AbstractModel
from isthmus.pipeline.beginning import begin
from isthmus.runs.folder import RunFolder
from isthmus.system.process_group import AbstractGroup
from isthmus.system.requests import Requests
from isthmus.system.signals import EXIT_CODES, StopSignals
from isthmus.training.prepared import Prepared
from isthmus.training.threads import using_threads
from isthmus.training.trainer import Trainer


def follow(group: AbstractGroup, prepared: Prepared, model: AbstractModel) -> RunFolder:
    """Trains with the others, waits until the first process has judged, and returns the run folder that it made.

    Raises: the same errors as the first process, marked as already printed.
    """
    with using_threads(prepared.config.training.threads), StopSignals() as stop:
        try:
            with stop.at_once():
                trainer, _ = begin(
                    group, prepared, model, Requests(), None, lambda trainer, found: trainer.restore(*found)
                )
            _train(trainer)
            with stop.at_once():
                return RunFolder(Path(group.first_of(None)), module=model.own)
        except KeyboardInterrupt:
            raise _stopped(stop.exit_code) from None


def _train(trainer: Trainer) -> None:
    try:
        progress = trainer.run(lambda row: None, lambda progress: None)
    except DivergedError as error:  # every process raises it in the same step
        error.is_told = True
        raise
    if progress.stopped_by == "interrupted":
        raise _stopped(progress.exit_code)


def _stopped(exit_code: int = EXIT_CODES[SIGINT]) -> Interrupted:
    error = Interrupted("INTERRUPTED", "stopped with the first process.", exit_code=exit_code)
    error.is_told = True
    return error
