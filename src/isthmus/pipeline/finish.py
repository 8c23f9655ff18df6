"""`finish`: ends a training now, with its best weights, and judges it: where it runs, or from its last checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import nn

from isthmus.errors import UsageError
from isthmus.pipeline.resume import resume
from isthmus.runs import finding, folder
from isthmus.runs.folder import RunFolder
from isthmus.runs.state import has_begun
from isthmus.system.lock import is_held
from isthmus.system.requests import FINISH, WAIT, ask, withdraw
from isthmus.training.display import AbstractDisplay, display_of
from isthmus.wording import counted, shell_word


def finish(
    path: str | Path,
    *,
    data: Any = None,
    target: Any = None,
    module: nn.Module | None = None,
    show: bool | AbstractDisplay = True,
) -> RunFolder:
    """Ends a running or stopped training now; see `isthmus.finish`."""
    run, display = RunFolder(finding.find(path).path, module=module), display_of(show)
    if not _is_finished(run) and is_held(run.path):
        _wait_for(run, display)
        run = RunFolder(run.path, module=module)
        if _is_finished(run):
            return run
    if _is_finished(run):
        display.say(f"{run.path} is already finished: trained for {counted(len(run.history), 'epoch')} and judged.")
        return run
    if not has_begun(run.path):
        message = f"{run.path} has no checkpoint yet, so there is nothing to finish."
        raise UsageError("USAGE-FINISH", message, fix=f"train it with `isthmus resume {shell_word(run.path)}`")
    return resume(run.path, data=data, target=target, module=module, show=display, finish=True)


def _is_finished(run: RunFolder) -> bool:
    return run.record.get("ended") in folder.DONE and run.is_judged


def _wait_for(run: RunFolder, display: AbstractDisplay) -> None:
    """Asks the process that trains this run to finish, and waits until it has ended."""
    ask(run.path, FINISH)
    display.say("asked the training to finish; waiting until it is judged (Ctrl-C stops only the waiting)")
    while is_held(run.path):
        time.sleep(WAIT)
    withdraw(run.path)  # in case it ended before it saw the request
