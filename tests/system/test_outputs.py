"""Results never replace their inputs, and never files that isthmus did not write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isthmus.errors import UsageError
from isthmus.system import outputs
from isthmus.system.outputs import claimed, free_path, refuse_existing, refuse_inputs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of inputs, `photos/`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    (tmp_path / "photos" / "a.png").write_bytes(b"a")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("out", "given"),
    [
        ("photos", "photos"),
        ("photos/", "photos"),
        ("./photos/cats/..", "photos"),
        ("link", "photos"),
        ("photos/a.png", "photos/a.png"),
        ("hard.png", "photos/a.png"),
        ("photos", "photos:0-3"),
        ("photos", "photos:label=cats"),
        ("photos", "photos:label=a:b"),
    ],
)
def test_an_input_is_not_written_over_by_whatever_name(out: str, given: str, photos: Path) -> None:
    (photos.parent / "link").symlink_to(photos)
    os.link(photos / "a.png", photos.parent / "hard.png")
    with pytest.raises(UsageError, match="is the input itself, which would be overwritten") as caught:
        refuse_inputs(out, given)
    assert (caught.value.exit_code, caught.value.fix) == (2, "write the result to another file or folder")


@pytest.mark.parametrize("out", ["photos/cleaned", "photos/cats/x.png", "photos/codes.csv", "link/new"])
def test_results_do_not_land_among_the_inputs(out: str, photos: Path) -> None:
    (photos.parent / "link").symlink_to(photos)
    with pytest.raises(UsageError, match=r"is inside the input photos; the results would be mixed"):
        refuse_inputs(out, "photos")


@pytest.mark.parametrize(
    ("out", "given"),
    [
        ("cleaned", "photos"),
        ("photos-2", "photos"),
        ("photos/b.png", "photos/a.png"),
        ("mnist", "mnist:0-9"),
        (".", "photos"),
    ],
)
def test_everything_else_is_allowed(out: str, given: str, photos: Path) -> None:
    refuse_inputs(out, given, kept=["photos/a.png", "mnist-2k"])
    assert photos.is_dir()


def test_the_data_a_run_was_trained_on_stays(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"photos/a\.png is the training data of the run"):
        refuse_inputs("photos/a.png", "mnist", kept=["photos/a.png"])
    refuse_inputs("photos/b.png", "mnist", kept=["photos"])
    assert (photos / "a.png").read_bytes() == b"a"


def write(paths: list[Path], text: str = "ours") -> None:
    folder = paths[0].parent
    with claimed(folder, paths):
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def test_files_of_others_are_listed_and_none_is_touched(tmp_path: Path) -> None:
    names = [f"{i:02}.png" for i in range(12)]
    for name in names[1:]:
        (tmp_path / name).write_text("theirs")
    with pytest.raises(UsageError, match="contains 11 files that would be overwritten") as caught:
        write([tmp_path / name for name in names])
    assert list(caught.value.problems) == names[1:]
    assert "… and 1 more" in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == names[1:]
    assert {p.read_text() for p in tmp_path.iterdir()} == {"theirs"}


def test_what_we_wrote_is_written_anew_unless_somebody_changed_it(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    write(paths)
    write(paths, "again")
    assert [path.read_text() for path in paths] == ["again", "again"]
    paths[1].write_text("retouched by hand")
    with pytest.raises(UsageError, match="contains a file that would be overwritten") as caught:
        write(paths)
    assert list(caught.value.problems) == ["b.png"]
    write(paths[:1], "third")
    assert paths[0].read_text() == "third"


def test_what_was_left_by_a_killed_command_is_ours(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]

    def killed() -> None:
        with claimed(tmp_path, paths):
            paths[0].write_text("half of the work")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    write(paths)
    assert [path.read_text() for path in paths] == ["ours", "ours"]


def test_a_damaged_listing_protects_everything(tmp_path: Path) -> None:
    write([tmp_path / "a.png"])
    for text in ("", "[]", '{"files": 3}', "\x00"):
        (tmp_path / outputs.LISTING).write_text(text)
        with pytest.raises(UsageError, match="would be overwritten"):
            write([tmp_path / "a.png"])


def test_a_dangling_link_is_a_file_of_others(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="contains a file"):
        write([tmp_path / "a.png"])
    assert not (tmp_path / "nowhere").exists()


def test_a_name_that_nobody_asked_for_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("theirs")
    refuse_existing(tmp_path / "a.png", tmp_path / "a.png")
    refuse_existing(tmp_path / "b.png", tmp_path / "b.jpg")
    with pytest.raises(UsageError, match=r"a\.jpg has to be written as a\.png, which already exists"):
        refuse_existing(tmp_path / "a.png", tmp_path / "a.jpg")


def test_a_free_path_is_one_where_nothing_of_others_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert free_path(path) == path
    write([path])
    assert free_path(path) == path
    path.write_text("somebody else's")
    (tmp_path / "a-2.png").write_text("and this")
    assert free_path(path) == tmp_path / "a-3.png"
