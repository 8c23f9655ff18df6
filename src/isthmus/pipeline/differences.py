"""What has changed since a resumed run began: its settings, its data, its machine."""

from __future__ import annotations

from typing import Any

from isthmus.config import SECTIONS, Config
from isthmus.data.batching.split import Splits
from isthmus.errors import UsageError
from isthmus.runs.folder import CONFIG, RunFolder
from isthmus.runs.record import as_recorded, digests, hardware, versions
from isthmus.settings import BEFORE
from isthmus.training.prepared import Prepared
from isthmus.wording import counted, shell_word

# How long and how fast training continues; these settings do not change what was trained so far.
GOES_ON = {"training.epochs", "training.lr"}
# Where it runs and where the data is: threads and device change the last bits at most, and the content of every path
# is compared with the data that the run began with.
ELSEWHERE = {
    "training.device",
    "training.threads",
    "training.step",
    "data.source",
    "data.target",
    "data.validation",
    "data.test",
    "data.data_dir",
    "data.memory",  # whether data is streamed, and how it is shuffled, was decided when the run began
}


def settings_changed(run: RunFolder) -> dict[str, str]:
    """`{"training.lr": "0.006 -> 0.003"}`: the allowed edits of `config.toml` since the run began.

    Raises: UsageError that lists all other edits, because the run would mix two trainings.
    """
    before = run.record.get("settings")
    if not before:  # a run from before settings were recorded
        return {}
    then, now = flat(before), flat(as_recorded(run.config))
    usual = flat(as_recorded(Config())) | flat(BEFORE)  # the values of settings that older versions did not have
    changed = {name: (then.get(name, usual.get(name)), value) for name, value in now.items()}
    sentences = {name: f"{_as_text(old)} -> {_as_text(new)}" for name, (old, new) in changed.items() if old != new}
    refused = [f"{name}: {change}" for name, change in sentences.items() if name not in GOES_ON | ELSEWHERE]
    if refused:
        n = counted(len(refused), "setting")
        message = f"{n} in {run.path / CONFIG} changed since the run began"
        message += "; only epochs, lr, device settings and data paths may change."
        again = f"isthmus train --config {shell_word(run.path / CONFIG)}"
        fix = f"restore the old values, or train a new run with `{again}`"
        raise UsageError("USAGE-RESUME", message, fix=fix, problems=refused)
    return sentences


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """`{"model": {"z_size": 8}}` -> `{"model.z_size": 8}`."""
    found = {name: value for name, value in settings.items() if name not in SECTIONS}
    for section in SECTIONS.keys() & settings.keys():
        found |= {f"{section}.{name}": value for name, value in settings[section].items()}
    return found


def refuse_other_data(run: RunFolder, splits: Splits, source: str) -> None:
    """Checks that the data is the same as when the run began, sample by sample.

    Raises: UsageError that says how each set differs, because the run would mix two trainings.
    """
    then, now = run.record.get("data", {}), digests(splits)
    problems = [_difference(role, then.get(role, {}), found) for role, found in now.items() if found != then.get(role)]
    if problems:
        message = f"{source} differs from the data that {run.path} began with."
        fix = "restore the old data, or train a new run with `isthmus train`"
        raise UsageError("USAGE-RESUME", message, fix=fix, problems=problems)


def _difference(role: str, then: dict[str, Any], now: dict[str, Any]) -> str:
    before, found = _size(then), _size(now)
    return f"{role}: {before} -> {found}" if before != found else f"{role}: still {found}, but with different values"


def _size(about: dict[str, Any]) -> str:
    return f"{counted(about.get('n', 0), 'sample')}, {_as_text(about.get('shape'))} {about.get('dtype')}"


def conditions_changed(run: RunFolder, prepared: Prepared) -> list[str]:
    """One sentence for each version, and each fact about the machine, that has changed since `run` began."""
    now = {"versions": versions(), "hardware": hardware(prepared)}
    return [
        f"{key} changed from {run.record.get(what, {}).get(key)} to {value}; the weights may differ in the last bits"
        for what, values in now.items()
        for key, value in values.items()
        if run.record.get(what, {}).get(key) != value
    ]


def processes_changed(run: RunFolder, prepared: Prepared, now: int) -> list[str]:
    """A sentence if `run` continues with another number of processes, which is allowed."""
    then = run.record.get("processes", 1)
    if then == now:
        return []
    batch = counted(prepared.config.training.batch_size, "sample")
    return [f"the number of processes is now {now}, before {then}; each step still uses {batch}"]


def _as_text(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, list) and value else str(value)
