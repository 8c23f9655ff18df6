"""Requests to a training through a file: read, withdrawn, and only two words are valid."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from isthmus.system import requests
from isthmus.system.requests import FINISH, PAUSE, REQUEST, Requests, ask, asked, withdraw


@pytest.mark.parametrize("what", [FINISH, PAUSE])
def test_what_is_asked_is_read_until_it_is_withdrawn(what: str, tmp_path: Path) -> None:
    assert asked(tmp_path) is None
    ask(tmp_path, what)
    assert asked(tmp_path) == what
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert asked(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"end", b"finish now", b"\xff\xfe", b"\0" * 10])
def test_another_word_asks_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / REQUEST).write_bytes(content)
    assert asked(tmp_path) is None


def test_what_is_no_file_asks_nothing_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / REQUEST)
    assert asked(tmp_path) is None
    (tmp_path / REQUEST).unlink()
    (tmp_path / "elsewhere").write_text(FINISH)
    (tmp_path / REQUEST).symlink_to(tmp_path / "elsewhere")
    assert asked(tmp_path) is None


def test_it_is_looked_at_twice_a_second_at_most_and_finishing_takes_the_file_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(requests.time, "monotonic", lambda: clock[0])
    found = Requests(tmp_path)
    found.look()
    ask(tmp_path, FINISH)
    clock[0] = 0.4
    found.look()
    assert not found.finishes
    clock[0] = 0.5
    found.look()
    assert found.finishes
    assert not (tmp_path / REQUEST).exists()


def test_a_pause_ends_when_it_is_withdrawn_or_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    found = Requests(tmp_path, say=said.append)
    ask(tmp_path, PAUSE)
    found.look()
    assert (found.pending, found.finishes) == (PAUSE, False)
    found.wait(stop=True)
    assert len(said) == 1
    threading.Timer(0.2, withdraw, [tmp_path]).start()
    found.wait(stop=False)
    assert (found.pending, said[-1]) == (None, "continuing")


def test_without_a_folder_nothing_is_asked() -> None:
    found = Requests()
    found.look()
    assert found.pending is None
