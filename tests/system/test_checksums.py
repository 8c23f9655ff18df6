from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from faulty import every_failure
from isthmus.errors import ModelFileError, ResourceError
from isthmus.system import checksums, files
from isthmus.system.checksums import look, read_bytes, stated, write_json, write_text


def manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "MANIFEST.json").read_text())


def test_the_manifest_states_size_and_sum_of_what_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "run.json", "ü")
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in ("ü", "later")]
    assert manifest(tmp_path)["files"] == {"run.json": {"bytes": 2, "sha256": sums[0], "before": None}}
    write_text(tmp_path / "run.json", "later")
    assert manifest(tmp_path)["files"] == {"run.json": {"bytes": 5, "sha256": sums[1], "before": sums[0]}}
    write_json(tmp_path / "metrics.json", {"a": float("nan")})
    assert json.loads(read_bytes(tmp_path / "metrics.json")) == {"a": None}
    assert set(stated(tmp_path) or {}) == {"run.json", "metrics.json"}


def test_fault_121_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write_text(tmp_path / "metrics.json", '{"mse": 0.0693}')
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert look(path) == (bytes(flipped), False)
    with pytest.raises(ModelFileError, match=r"metrics\.json was changed after isthmus wrote it") as caught:
        read_bytes(path)
    assert caught.value.exit_code == 4
    (tmp_path / "MANIFEST.json").unlink()  # the fix that it names
    assert read_bytes(path) == bytes(flipped)


def test_a_folder_without_a_manifest_is_read_as_it_is_and_gets_one_only_where_it_is_a_run(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch\n")
    assert look(tmp_path / "history.csv") == (b"epoch\n", None)
    write_text(tmp_path / "history.csv", "epoch\n1\n", begin=False)
    assert not (tmp_path / "MANIFEST.json").exists()
    write_text(tmp_path / "run.json", "{}")
    write_text(tmp_path / "history.csv", "epoch\n2\n", begin=False)
    assert look(tmp_path / "history.csv") == (b"epoch\n2\n", True)


@pytest.mark.parametrize(
    "text", ['{"files": {}}', "mine", "[1]", '{"of": "run", "files": {"a": 1}}', '{"of": "run"}', "[" * 9999]
)
def test_a_manifest_that_is_not_ours_is_named_and_never_written_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.json").write_text(text)
    write_text(tmp_path / "history.csv", "epoch\n", begin=False)
    for act in (lambda: write_text(tmp_path / "run.json", "{}"), lambda: read_bytes(tmp_path / "history.csv")):
        with pytest.raises(ModelFileError, match=r"MANIFEST\.json cannot be read") as caught:
            act()
        assert "remove it" in str(caught.value.fix)
    assert (tmp_path / "MANIFEST.json").read_text() == text
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("killed", [1, 2])
def test_fault_51_121_a_kill_between_the_two_writes_damages_nothing(
    killed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process dies at its first or second rename; a second one dies there too, then a third one writes."""
    path = write_text(tmp_path / "run.json", "first")
    real, calls = os.replace, []

    def dies(*given: Any) -> None:
        calls.append(given)
        if len(calls) == killed:
            raise KeyboardInterrupt
        real(*given)

    for text in ("second", "third"):
        calls.clear()
        monkeypatch.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            write_text(path, text)
        monkeypatch.setattr(os, "replace", real)
        assert read_bytes(path) == b"first"
    write_text(path, "fourth")
    assert look(path) == (b"fourth", True)


def test_fault_52_121_a_failing_disk_leaves_a_file_that_the_manifest_knows(tmp_path: Path) -> None:
    path = write_text(tmp_path / "run.json", "first")
    texts = iter(f"text {number}" for number in range(100))
    outcomes = []
    for told in every_failure(lambda: write_text(path, next(texts)), errno.EIO, ResourceError):
        outcomes.append(told)
        assert look(path)[1] is True, f"call {len(outcomes)}"
    assert outcomes.count(True) >= 8  # twice a temporary file, writing, flushing, renaming
    assert not outcomes[-1]
    assert read_bytes(path) == f"text {len(outcomes) - 1}".encode()


def test_who_reads_while_somebody_writes_takes_no_half_of_a_change_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes twice between the reader's access to the file and to the manifest."""
    path = write_text(tmp_path / "run.json", "first")
    real, reads = files.regular.read_bytes, []

    def reads_slowly(asked: Path, *rest: Any) -> bytes:
        content = real(asked, *rest)
        if asked == path and not reads:
            reads.append(asked)
            write_text(path, "second")
            write_text(path, "third")
        return content

    monkeypatch.setattr(files.regular, "read_bytes", reads_slowly)
    assert look(path) == (b"third", True)


def test_fault_96_what_is_no_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(ModelFileError, match=r"run\.json cannot be read: it is a pipe, not a file"):
        checksums.look(tmp_path / "run.json")


def test_fault_99_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text(tmp_path / "run.json", "{}")

    def refused(*given: Any) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(ModelFileError, match=r"run\.json cannot be read: Permission denied\.") as caught:
        look(path)
    assert caught.value.fix == "give yourself permission to read it"
