"""What stands where a folder of a run should be: a link, a pipe, a file, or what a later isthmus wrote there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

import isthmus
import served
import tiny
from isthmus.errors import ModelFileError
from isthmus.runs.artifacts import Artifacts
from isthmus.system import files
from run_fuzz import Told, command

PARTS = ["model", "checkpoint", "latent", "latent/codes", "latent/anomaly"]
READS = {  # command -> the folders that it reads
    "info": {"model"},
    "evaluate": {"model"},
    "score": {"model", "latent", "latent/anomaly"},
    "sample": {"model", "latent", "latent/codes"},
    "resume": set(PARTS),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole run `a` of a table in a file, which every command can read again."""
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(",".join(map(str, row)) for row in tiny.table(60).tolist())
    Path("t.csv").write_text(f"a,b,c,d,e,f\n{rows}\n")
    isthmus.train("t.csv", out="a", **tiny.FAST | {"epochs": 1})
    return Path("a")


def asked(name: str) -> Told:
    more = {"score": ["t.csv", "-o", "o.csv"], "sample": ["-n", "4", "-o", "s.csv"], "resume": ["--epochs", "2"]}
    return command(name, "a", *more.get(name, []))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("part", PARTS)
def test_fault_115_no_command_follows_a_link_in_the_place_of_a_folder(part: str, run: Path) -> None:
    elsewhere = Path(shutil.move(run / part, "elsewhere"))
    (run / part).symlink_to(elsewhere.resolve())
    before = contents(elsewhere)
    for name, reads in READS.items():
        told = asked(name)
        wanted = 4 if part in reads else 0
        assert told.code == wanted, f"{name}: {told.text}"
        if wanted:
            assert (
                f"a/{part} is a link (to {elsewhere.resolve()}); isthmus does not follow links in a run folder."
                in told.text
            )
    report = command("report", "a")
    assert report.code == 0
    if part not in {"checkpoint", "latent/anomaly"}:  # which a report does not need
        assert "left out" in report.text
        assert f"a/{part} is a link" in report.text
    assert (run / part).is_symlink()
    assert contents(elsewhere) == before


def test_fault_115_the_app_follows_no_link_either(run: Path) -> None:
    elsewhere = Path(shutil.move(run / "model", "elsewhere"))
    (run / "model").symlink_to(elsewhere.resolve())
    answer = served.client(served.app_of(run)).get("/api/model")
    assert answer.status_code == 409
    assert "is a link" in answer.text


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_file(path: Path) -> None:
    path.write_text("mine")


@pytest.mark.parametrize("stand", [as_pipe, as_file])
@pytest.mark.parametrize("part", ["model", "latent", "latent/codes"])
def test_fault_115_what_is_no_folder_is_named_and_stays(part: str, stand: Callable[[Path], None], run: Path) -> None:
    shutil.rmtree(run / part)
    stand(run / part)
    kind = (run / part).lstat().st_mode
    for name in (name for name in ("score", "sample", "resume") if part in READS[name]):
        told = asked(name)
        assert told.code == 4, told.text
        assert f"a/{part} is a {'pipe' if stand is as_pipe else 'file'}, not a folder." in told.text
    with pytest.raises(ModelFileError, match="not a folder"):
        files.write_folder(run / part, {"a.txt": lambda path: path.write_text("new")})
    assert (run / part).lstat().st_mode == kind


def of_a_later_version(folder: Path) -> None:
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    (folder / "MANIFEST.json").write_text(json.dumps({"format": 99, "isthmus": "9.1", "parts": manifest["files"]}))


@pytest.mark.parametrize("part", [".", "model", "latent/codes"])
def test_fault_63_what_a_later_isthmus_wrote_is_named_and_never_replaced(part: str, run: Path) -> None:
    of_a_later_version(run / part)
    before = contents(run / part)
    reading = [name for name in ("resume", "sample", "score") if part in READS[name]]
    told = [asked(name) for name in reading or ("resume", "sample", "info")]
    for one in told:
        assert one.code == 4, one.text
        assert "was written by a newer version of isthmus (9.1), in format 99; version " in one.text
        assert "fix: install a newer version of isthmus" in one.text
    assert contents(run / part) == before
    if part != ".":
        with pytest.raises(ModelFileError, match="newer version of isthmus"):
            files.write_folder(run / part, {"a.txt": lambda path: path.write_text("new")})


@pytest.mark.parametrize(
    ("part", "maker"),
    [
        ("anomaly", "`isthmus score a INPUT -o OUT` recreates it"),
        ("steps", "`isthmus score a INPUT -o OUT` recreates it"),
        ("codes", "`isthmus sample a -o OUT` recreates it"),
        ("map", "`isthmus serve a` recreates it"),
        ("features/thick", "`isthmus feature learn a thick …` recreates it"),
        ("set", "the tools work without it, but report less"),
        ("fill_errors", "`isthmus impute` works without it, but fills in less accurate values"),
    ],
)
def test_fault_60_a_broken_part_is_named_with_what_makes_it_anew(part: str, maker: str, run: Path) -> None:
    kept = Artifacts(run)
    kept.put(part, {"n": 1})
    path = run / "latent" / part / f"{Path(part).name}.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ModelFileError, match="damaged") as caught:
        kept.get(part)
    assert caught.value.fix == f"remove it with `rm -r a/latent/{part}`; {maker}"
    (path.parent / "MANIFEST.json").unlink()
    with pytest.raises(ModelFileError, match=r"is not a complete part of latent/: MANIFEST.json is missing"):
        kept.get(part)


def test_fault_60_what_a_fix_says_works_when_it_is_typed(run: Path) -> None:
    save_file({}, run / "latent" / "anomaly" / "anomaly.safetensors")
    assert "`rm -r a/latent/anomaly`; `isthmus score a INPUT" in asked("score").text
    shutil.rmtree(run / "latent" / "anomaly")
    assert asked("score").code == 0
