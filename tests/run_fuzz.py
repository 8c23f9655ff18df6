"""Damages every file of a run folder: flipped, truncated, or replaced by something that is not a file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from starlette.testclient import TestClient

from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from served import BEARER, HOME, app_of

HANGS = 60  # seconds after which a command counts as hanging; each takes about one
SUMMED = {"run.json", "metrics.json", "history.csv"}  # every change is detected if there is a manifest
ASKED = ("/", "/api/about", "/api/progress", "/api/model", "/api/pick", "/run/report", "/run/curves")


class Told(NamedTuple):
    """The output of one command."""

    code: int
    text: str


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))] if content else content)


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def gone(path: Path, chance: random.Random) -> None:
    path.unlink()


def pipe(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()


def endless(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def link(path: Path, chance: random.Random) -> None:
    path.rename(path.with_name(f"{path.name}.elsewhere"))
    path.symlink_to(f"{path.name}.elsewhere")


def deep(path: Path, chance: random.Random) -> None:
    path.write_text("[" * 100_000 + "]" * 100_000)


def other(path: Path, chance: random.Random) -> None:
    """Another value in one place of a JSON file: null, or of another type."""
    if path.suffix == ".json":
        value = json.loads(path.read_text())
        places = list(_places(value))
        holder, key = chance.choice(places)
        holder[key] = chance.choice([None, None, [], {}, "x", -1, 1e308, True])
        path.write_text(json.dumps(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(below, dict | list):
            yield from _places(below)


CONTENT = (flip, cut, other, empty, deep, gone)
KINDS = (pipe, folder, endless, link)  # invalid replacements of a file of a run


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raises: TimeoutError if the block takes longer, also while it waits for the system."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def command(*words: str) -> Told:
    """Runs a command in this process; -1 if it hangs."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            with within(HANGS):
                code = run_guarded(build_app(words[0]), words)
        except TimeoutError:
            code = -1
    return Told(code, said.getvalue())


def statuses(path: Path) -> list[int]:
    """The statuses of the app's answers; -1 for no answer."""
    found = []
    asked = TestClient(app_of(path), base_url=HOME, headers=BEARER, raise_server_exceptions=False)
    for address in ASKED:
        try:
            with within(HANGS):
                found.append(asked.get(address).status_code)
        except TimeoutError:
            found.append(-1)
    return found


def paths_of(run: Path) -> list[str]:
    """All files of a run folder, the same in every run."""
    return sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def tries(whole: Path, broken: Path, name: str, times: dict[Callable[..., None], int]) -> Iterator[Callable[..., None]]:
    """Yields each change of one file, this many times; meanwhile, `broken` is a copy of `whole` with the change."""
    chance = random.Random(name)
    for change in (change for change, n in times.items() for _ in range(n)):
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(whole, broken)
        before = (broken / name).read_bytes()
        change(broken / name, chance)
        if change in KINDS or change is gone or (broken / name).read_bytes() != before:
            yield change


def faults(name: str, change: Callable[..., None], broken: Path, counts: Counter[str], *, summed: bool) -> list[str]:
    """The failures of the commands and the app; adds their outcomes to `counts`."""
    listed, info, report = command("runs"), command("info", "runs/b"), command("report", "runs/b")
    answered = statuses(broken)
    for what, told in (("runs", listed), ("info", info), ("report", report)):
        counts[f"{what} {told.code}"] += 1
    counts.update(f"app {status}" for status in answered)
    wrong = []
    if listed.code != 0 or "runs/a" not in listed.text:
        wrong.append(f"runs ended with {listed.code}: {listed.text[-300:]}")
    right = {0, 4} | ({2} if change is gone else set())  # no longer a run, or not judged
    right |= {5} if change is folder and name == "report.html" else set()  # the report cannot replace a folder
    wrong += [f"{told.code}: {told.text[-300:]}" for told in (info, report) if told.code not in right]
    if answered[0] != 200 or not {*answered} <= {200, 404, 409, 422}:  # 404: no such picture, 422: data that is gone
        wrong.append(f"the app answered {answered}")
    must = name in SUMMED and change is not gone and (summed or change in KINDS)
    if must or (name == "config.toml" and change in KINDS):
        wrong += [f"{told.code}, not 4: {told.text[-300:]}" for told in (info, report) if told.code != 4]
        wrong += [f"unnamed: {told.text[-300:]}" for told in (info, listed) if name not in told.text]
    return [f"{change.__name__} of {name}: {text}" for text in wrong]
