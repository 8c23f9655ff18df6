from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from isthmus.system import regular
from isthmus.system.regular import NotAFile, is_file, opened, parse_json, read_bytes, read_json, read_text

WHAT = {
    "pipe": "a pipe",
    "folder": "a folder",
    "link": "a symbolic link",
    "zero": "a symbolic link",
    "socket": "a socket",
}


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Creates something with this name that is not a file."""
    made = tmp_path / request.param
    match request.param:
        case "pipe":
            os.mkfifo(made)
        case "folder":
            made.mkdir()
        case "link":
            (tmp_path / "file").write_text("text")
            made.symlink_to("file")
        case "zero":
            made.symlink_to("/dev/zero")
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(os.path.relpath(made))
    return made


@pytest.mark.parametrize("path", WHAT, indirect=True)
def test_fault_96_what_is_no_file_is_named_and_not_waited_for(path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(NotAFile, match=f"it is {WHAT[path.name]}, not a file"):
        read_bytes(path)
    assert time.monotonic() - begun < 5
    assert not is_file(path)


def test_fault_96_a_pipe_that_comes_after_the_look_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(regular, "refuse_other_kinds", lambda path: None)
    with pytest.raises(NotAFile, match="a pipe"), opened(tmp_path / "pipe"):
        pass


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("ü\r\n".encode())
    assert read_text(tmp_path / "a") == "ü\r\n"
    assert read_bytes(tmp_path / "a", most=4) == "ü\r\n".encode()
    with pytest.raises(NotAFile, match="more than 3 bytes"):
        read_bytes(tmp_path / "a", most=3)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "b")
    assert is_file(tmp_path / "a")
    assert not is_file(tmp_path / "b")


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, "Infinity", '{"a": NaN}', "1" * 5_000, "", "\ufeff1", "{"]
)
def test_fault_120_json_that_is_none_is_a_value_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_is_read_as_what_it_holds() -> None:
    assert parse_json(b'{"a": [1, 2.5, null, "\xc3\xbc"]}') == {"a": [1, 2.5, None, "ü"]}
