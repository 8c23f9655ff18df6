"""`resume`: continues a stopped run, or trains a finished one longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from isthmus import settings as configs
from isthmus.config import Config
from isthmus.errors import ModelFileError, ResourceError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.pipeline.differences import conditions_changed, processes_changed, refuse_other_data, settings_changed
from isthmus.pipeline.execution import execute
from isthmus.pipeline.following import follow
from isthmus.pipeline.joining import in_turn, joined, refuse_others, with_threads, with_words
from isthmus.runs import finding, folder
from isthmus.runs.folder import RunFolder
from isthmus.runs.record import as_recorded
from isthmus.system import checksums, devices, files, regular
from isthmus.system.lock import FolderLock, is_held
from isthmus.system.places import refuse_links
from isthmus.system.process_group import AbstractGroup
from isthmus.system.requests import PAUSE, asked, withdraw
from isthmus.system.swapping import clean_up
from isthmus.tools.anomaly.detector import left_out
from isthmus.training import prepare
from isthmus.training.display import AbstractDisplay, display_of
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.wording import counted


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    data: Any = None,
    target: Any = None,
    module: nn.Module | None = None,
    show: bool | AbstractDisplay = True,
    finish: bool = False,
) -> RunFolder:
    """Continues a run where it stopped; see `isthmus.resume`. With `finish`, it is not trained further."""
    display = display_of(show)
    with joined() as group:
        return resume_in(
            group, path, epochs=epochs, data=data, target=target, module=module, display=display, finish=finish
        )


def resume_in(
    group: AbstractGroup,
    path: str | Path,
    *,
    display: AbstractDisplay,
    epochs: int | None = None,
    data: Any = None,
    target: Any = None,
    module: nn.Module | None = None,
    finish: bool = False,
) -> RunFolder:
    """As `resume`, in a process of `group`."""
    if group.is_first:
        return _resume(group, path, epochs, data, target, module, display, finish)
    return _follow(group, data, target, module, display)


def _resume(
    group: AbstractGroup,
    path: str | Path,
    epochs: int | None,
    data: Any,
    target: Any,
    module: nn.Module | None,
    display: AbstractDisplay,
    finish: bool,
) -> RunFolder:
    run = RunFolder(finding.find(path).path, module=module)
    if _ends_pause(run, display):
        group.first_of({"finished": str(run.path)})
        return run
    _refuse_without(run, data, target, module)
    changed = settings_changed(run)
    if epochs is None and "training.epochs" in changed:
        epochs = run.config.training.epochs
    finished = run.record.get("ended") in folder.DONE and run.is_judged
    if finished and (epochs is None or epochs <= len(run.history)):
        asked = "" if epochs is None else f" ({epochs} is not)"
        more = f"--epochs N with N above {len(run.history)} trains it longer{asked}"
        display.say(f"{run.path} is finished after {counted(len(run.history), 'epoch')}; {more}.")
        group.first_of({"finished": str(run.path)})
        return run
    config = _going_on(run.config, epochs, data, target)
    if not left_out(run):  # an older run, whose monitor used all validation data; so the results stay bit-equal
        config = replace(config, training=replace(config.training, calibration=0.0))
    if epochs is not None and config.training.schedule == "one-cycle" and run.history:
        rises = finished and run.record["ended"] != "request"
        longer = "the longer run, so the learning rate rises again" if rises else counted(epochs, "epoch")
        display.say(f"the learning rate schedule now covers {longer}.")
    with FolderLock(run.path):
        withdraw(run.path)  # a request to an earlier process
        refuse_links(run.path)
        files.refuse_newer_folders(run.path)
        clean_up(run.path)
        flatten = run.record.get("flatten", "auto")
        group.first_of({"config": configs.write(config), "flatten": flatten})
        with group.together():
            prepared, model = _ready(group, config, data, display, target, module, flatten)
            refuse_other_data(run, prepared.splits, config.data.source)
        refuse_others(group, prepared)
        if run.is_edited:
            display.say(f"note: {run.path / folder.CONFIG} has been edited since isthmus wrote it")
        notes = [f"{name}: {change}" for name, change in changed.items()] + conditions_changed(run, prepared)
        notes += processes_changed(run, prepared, group.size)
        for sentence in notes:
            display.say(f"note: {sentence}")
        with _as_it_was(run):
            _take_up(run, prepared, notes, group.size)
            return execute(run, prepared, model, display, going_on=True, extended=finished, finish=finish, group=group)


def _ends_pause(run: RunFolder, display: AbstractDisplay) -> bool:
    """If the run is paused in another process, ends the pause, so that it continues there; returns whether it was."""
    if not (is_held(run.path) and asked(run.path) == PAUSE):
        return False
    withdraw(run.path)
    display.say(f"{run.path} was paused; it continues in the process that trains it.")
    return True


def _follow(
    group: AbstractGroup, data: Any, target: Any, module: nn.Module | None, display: AbstractDisplay
) -> RunFolder:
    """What each other process does: it receives the settings from the first process, and follows it."""
    told = group.first_of(None)
    if "finished" in told:
        return RunFolder(told["finished"], module=module)
    config = configs.build(configs.parse(told["config"], "settings"))
    with group.together():
        prepared, model = _ready(group, config, data, display, target, module, told["flatten"])
    refuse_others(group, prepared)
    return follow(group, prepared, model)


def _ready(
    group: AbstractGroup,
    config: Config,
    data: Any,
    display: AbstractDisplay,
    target: Any,
    module: nn.Module | None,
    flatten: bool | str,
) -> tuple[Prepared, AbstractModel]:
    """Data and model of a resumed run, with no more threads than this process may use."""
    with in_turn(group, config):
        splits = prepare.read_splits(config, data, display, target)
    prepared = with_words(group, with_threads(prepare.prepare(config, splits)))
    return prepared, prepare.fresh_model(prepared, module, flatten)


@contextmanager
def _as_it_was(run: RunFolder) -> Iterator[None]:
    """Restores the settings and the record if the run cannot be resumed."""
    manifest = run.path / files.MANIFEST
    stated = regular.read_text(manifest) if manifest.is_file() else None
    kept = {path: regular.read_text(path) for path in (run.path / folder.CONFIG, run.path / folder.RECORD)}
    try:
        yield
    except UsageError:
        for path, text in kept.items():
            checksums.write_text(path, text)
        if stated is None:
            manifest.unlink()
        else:  # so that an edit of the settings is still detected
            files.write_text(manifest, stated)
        raise


def _refuse_without(run: RunFolder, data: Any, target: Any, module: nn.Module | None) -> None:
    """Raises: UsageError if the caller must pass data or a module; before anything is read."""
    needed = [("data", data, run.config.data.source), ("target", target, run.config.data.target)]
    missing = [f"{name}=…" for name, given, known in needed if given is None and known == IN_MEMORY]
    if missing:
        message = f"{run.path} was trained on data in memory."
        raise UsageError("USAGE-RESUME", message, fix=f"call isthmus.resume(path, {', '.join(missing)})")
    own = run.record.get("module")
    if own and module is None:
        message = f"{run.path} trains your own module {own}, whose code is not saved with the run."
        fix = f"continue in Python: isthmus.resume({str(run.path)!r}, module={own}())"
        raise ModelFileError("MODEL-MODULE", message, fix=fix)
    if module is not None and type(module).__name__ != own:
        message = f"{run.path} trains {f'the module {own}' if own else 'no module of your own'}"
        message = f"{message}, but got an object of type {type(module).__name__}."
        raise UsageError("USAGE-RESUME", message, fix=f"pass {own}, as in fit" if own else "omit module=")


def _going_on(config: Config, epochs: int | None, data: Any, target: Any) -> Config:
    """The settings for the rest of the run: new epochs, new paths of the data, a device that is available."""
    training, read = config.training, config.data
    if epochs is not None:
        training = replace(training, epochs=epochs)
    if isinstance(data, str | Path):
        read = replace(read, source=str(data))
    if isinstance(target, str | Path):
        read = replace(read, target=str(target))
    try:
        devices.pick_device(training.device)
    except ResourceError:  # the run began on another machine
        training = replace(training, device="auto")
    return replace(config, data=read, training=training)


def _take_up(run: RunFolder, prepared: Prepared, notes: list[str], processes: int) -> None:
    """Records in the run folder the settings from now on, and what differs from its beginning."""
    checksums.write_text(run.path / folder.CONFIG, configs.write(prepared.config))
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    resumed = [*run.record.get("resumed", []), {"at": now, "changed": notes}]
    run.write_record(
        ended=None, error=None, settings=as_recorded(prepared.config), resumed=resumed, processes=processes
    )
