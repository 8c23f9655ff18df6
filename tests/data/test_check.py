"""`check`: all faults at once, duplicates and overlap by id, and the same as JSON and as rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.alike_problems import without_repeats
from isthmus.data.check import check
from isthmus.data.samples import Bundle, Samples
from isthmus.data.summary import facts_of
from isthmus.errors import UsageError

RNG = np.random.default_rng(0)


def picture(folder: Path, name: str, pixels: np.ndarray | None = None, size: tuple[int, int] = (6, 6)) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, size, dtype=np.uint8) if pixels is None else pixels).save(path)


def said(findings, title: str) -> list[str]:
    return [text for name, text in findings.rows() if name == title]


def test_the_shipped_table_is_sound() -> None:
    findings = check("mnist-2k")
    assert findings.ok
    assert findings.problems == findings.warnings == findings.notes == ()
    rows = dict(findings.rows())
    assert rows["data"] == "mnist-2k"
    assert rows["samples"] == "2,000 gray images of 28 x 28 pixels"
    assert rows["labels"].startswith("10 classes: 0 (200), 1 (200)")
    assert rows["duplicates"] == "none"
    facts = findings.as_dict()["parts"]["train"]
    assert facts["range"] == [0.0, 255.0]
    assert facts["classes"] == {str(digit): 200 for digit in range(10)}


def test_facts_pass_over_the_gaps_of_a_table() -> None:
    x = np.array([[1, 7, np.nan], [np.nan, 7, np.nan], [4, 7, np.nan]], np.float32)
    facts = facts_of(Samples(x, "x", columns=("a", "b", "c")))
    assert (facts.low, facts.high, facts.mean) == (1, 7, pytest.approx(np.nanmean(x)))
    assert facts.constant == ("b",)


def test_facts_equal_numpys() -> None:
    x = RNG.random((40, 3, 5, 5), dtype=np.float32)
    x[:, 1, 2, 2] = 0.25
    x[7] = 0.25
    facts = facts_of(Samples(x, "x", labels=np.arange(40) % 4, classes=("a", "b", "c", "d", "e")))
    assert (facts.low, facts.high) == (x.min(), x.max())
    assert facts.mean == pytest.approx(x.mean(dtype=np.float64))
    assert facts.classes == {"a": 10, "b": 10, "c": 10, "d": 10, "e": 0}
    assert facts.n_constant == 1
    assert facts.blank == ("7",)
    assert facts.duplicates.count == 0


def test_fault_180_row_numbers_of_duplicates_say_how_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n0.5,1.5\n2.5,1.25\n0.5,1.5\n3.5,0.25\n")
    counting = "(rows are counted from 0, without a header)"
    assert said(check(path), "duplicates") == [f"1 of 4 identical to an earlier one: 2 = 0 {counting}"]
    for name in ("a", "b"):
        picture(tmp_path / "images", f"{name}.png", np.full((8, 8, 3), np.arange(3), np.uint8))
    assert said(check(tmp_path / "images"), "duplicates") == ["1 of 2 identical to an earlier one: b.png = a.png"]


def test_columns_of_several_kinds_have_no_common_range(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"2024-01-{day:02},{day / 4},{'ab'[day % 2]}" for day in range(1, 29)]
    path.write_text("\n".join(["day,price,shop", *rows]))
    findings = check(path)
    assert said(findings, "kinds") == ["1 time, 1 number, 1 category"]
    assert said(findings, "values") == said(findings, "blank samples") == []
    assert said(check("mnist-2k"), "values") == ["uint8, from 0 to 255, mean 33.47"]


def test_constant_columns_are_named() -> None:
    x = np.stack([np.arange(5), np.full(5, 3), np.arange(5) ** 2], axis=1).astype(np.float32)
    facts = facts_of(Samples(x, "x", columns=("a", "b", "c")))
    assert (facts.n_constant, facts.constant) == (1, ("b",))


def test_fault_33_every_bad_file_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    for number in range(20):
        picture(tmp_path, f"{number}.png")
    for number in range(15):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    findings = check(tmp_path)
    assert not findings.ok
    assert findings.bundle is not None
    assert len(findings.bundle.train) == 5
    assert len(findings.as_dict()["problems"][0]["problems"]) == 15
    listed = [text for _, text in findings.rows() if ".png is" in text and "left out" not in text]
    assert [text.split(".")[0] for text in listed] == [str(number) for number in range(15)]
    assert said(findings, "fix") == ["pass --skip-bad-files (5 images would be left), or remove these files"]


def test_fault_36_bad_files_and_mixed_sizes_are_both_told(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    picture(tmp_path, "b.png")
    picture(tmp_path, "c.png", size=(3, 3))
    (tmp_path / "empty.png").touch()
    findings = check(tmp_path)
    assert [problem.code for problem in findings.problems] == ["DATA-FILE", "DATA-SIZE"]
    assert findings.train is not None
    assert findings.train.shape == (1, 6, 6)


def test_fault_13_every_bad_row_is_listed(tmp_path: Path) -> None:
    rows = ["a,b", *(f"{i},{'x' if i % 3 == 0 else i * i}" for i in range(1, 40))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    findings = check(tmp_path / "t.csv")
    assert not findings.ok
    assert len(findings.problems) == 1
    found = findings.as_dict()["problems"][0]["problems"]
    assert len(found) == 13
    assert all('"x" is not a number' in text for text in found)
    assert findings.train is not None
    assert findings.train.n == 26
    places = ", ".join(str(row) for row in range(4, 41, 3))  # row 1 is the header
    assert f'rows {places}, column "b": "x" is not a number' in [text for _, text in findings.rows()]


def test_many_rows_with_the_same_problem_are_one_line() -> None:
    told = ['row 2, column "b": "x" is not a number', *(f'row {n:,}, "?" is bad' for n in range(990, 1_015)), "c"]
    places = ", ".join(f"{n:,}" for n in range(990, 1_010))
    assert without_repeats(told) == [told[0], f'rows {places} and 5 more, "?" is bad', "c"]


def test_fault_14_missing_values_are_told_once_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n5,6\n7,9\n")
    findings = check(tmp_path / "t.csv", DataConfig(missing="error"))
    assert [problem.code for problem in findings.problems] == ["DATA-MISSING"]
    assert findings.train is not None
    assert findings.train.n == 3


def test_fault_23_a_constant_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i / 3},4\n" for i in range(8)))
    findings = check(tmp_path / "t.csv")
    assert findings.ok
    assert said(findings, "constant columns") == ["1 of 2 never change: b"]


def test_fault_41_duplicates_are_counted_and_named(tmp_path: Path) -> None:
    one = RNG.integers(0, 256, (6, 6), dtype=np.uint8)
    picture(tmp_path, "a/IMG.png", one)
    picture(tmp_path, "a/img.png", one)
    picture(tmp_path, "b/other.png", one)
    picture(tmp_path, "b/new.png")
    findings = check(tmp_path)
    if findings.train is None or findings.train.n < 4:
        pytest.skip("this file system does not tell upper from lower case")
    assert findings.ok
    assert findings.train.duplicates.count == 2
    assert findings.train.pairs == (("a/IMG.png", "a/img.png"), ("a/IMG.png", "b/other.png"))
    assert any("differ only in upper and lower case" in note for note in findings.notes)
    assert findings.warnings[0].startswith("2 duplicate samples")


def test_fault_41_train_and_test_overlap_is_counted_and_named() -> None:
    x = RNG.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    test = Samples(np.concatenate([x[5:9], x[:1] // 2]), "t", ids=tuple("vwxyz"))
    findings = check(Bundle(Samples(x, "t"), test))
    assert findings.overlap.count == 4
    assert findings.overlap_pairs == (("5", "v"), ("6", "w"), ("7", "x"), ("8", "y"))
    assert "4 of 5 test samples (80.0%) also in the training data" in findings.warnings[0]
    assert findings.warnings[0].endswith("or train with --duplicates drop.")
    assert said(findings, "train and test overlap") == [
        "4 of 5 test samples also in the training data: v = 5, w = 6, x = 7, y = 8"
    ]
    assert findings.as_dict()["overlap"] == {"count": 4, "pairs": [["5", "v"], ["6", "w"], ["7", "x"], ["8", "y"]]}


def test_other_test_data_is_compared_too(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (10, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "train.npy", x)
    np.save(tmp_path / "test.npy", x[8:])
    findings = check(tmp_path / "train.npy", DataConfig(test=str(tmp_path / "test.npy")))
    assert findings.overlap.count == 2


def test_fault_42_the_range_that_was_found_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RNG.random((5, 8, 8)) * 300 - 20)
    assert check(tmp_path / "x.npy").ok
    findings = check(tmp_path / "x.npy", DataConfig(range="type"))
    assert not findings.ok
    assert findings.bundle is None
    assert "DATA-RANGE" in [problem.code for problem in findings.problems]


def test_fault_86_blank_images_are_counted_and_named(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    picture(tmp_path, "black.png", np.zeros((6, 6), np.uint8))
    findings = check(tmp_path)
    assert said(findings, "blank samples") == ["1 with only one value: black.png"]


def test_data_without_any_difference_is_warned_of() -> None:
    constant = check(np.full((5, 8, 8), 9, np.uint8)).warnings
    assert constant[0].startswith("all values are 9; there is nothing to learn. Check that this is the data you meant")
    equal = check(np.tile(np.float32([1, 2, 3]), (5, 1))).warnings
    assert equal[0].startswith("all 5 samples are identical; there is nothing to learn. Check")
    assert len(constant) == len(equal) == 1  # and nothing of duplicates to be taken out, which would leave one


def test_what_is_not_there_is_a_finding_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    findings = check("nothing")
    assert not findings.ok
    assert findings.bundle is None
    assert [problem.code for problem in findings.problems] == ["DATA-SOURCE"]
    assert findings.as_dict()["parts"] == {}


def test_settings_that_mean_nothing_are_raised(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    with pytest.raises(UsageError, match="is not an image size"):
        check(tmp_path, DataConfig(resize="wide"))


@pytest.mark.parametrize("source", ["mnist-2k", np.zeros((3, 5, 5), np.uint8), "nowhere"])
def test_findings_are_json(source: object) -> None:
    found = json.loads(json.dumps(check(source).as_dict(), allow_nan=False))
    assert set(found) == {"format", "source", "ok", "parts", "overlap", "problems", "warnings", "notes", "skipped"}


def test_a_generator_is_asked_only_once() -> None:
    findings = check(sample for sample in [np.zeros((4, 4)), np.zeros((5, 4))])
    assert [problem.code for problem in findings.problems] == ["DATA-SHAPE"]


def test_names_stay_on_one_line(tmp_path: Path) -> None:
    picture(tmp_path, "line\nbreak.png", np.zeros((6, 6), np.uint8))
    (tmp_path / "bad\n.png").touch()
    assert not any("\n" in text for _, text in check(tmp_path).rows())


def test_of_many_sizes_the_most_frequent_are_printed_and_all_are_kept(tmp_path: Path) -> None:
    for i in range(25):
        picture(tmp_path, f"{i:02}.png", size=(6 + i, 6))
        picture(tmp_path, f"{i:02}-again.png", size=(6 + i % 3, 6))
    findings = check(tmp_path)
    listed = [text for text in said(findings, "") if "6:" in text or "more" in text]
    assert len(listed) == 11
    assert listed[0].startswith("6 x 6: 10 images")  # of the 50: one, and every third of 25
    assert listed[-1] == "… and 15 more sizes; --json lists all"
    assert len(findings.as_dict()["problems"][0]["problems"]) == 25


def test_fault_33_all_files_that_were_skipped_are_listed(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    for i in range(12):  # more than a sentence names
        (tmp_path / f"bad{i}.png").write_bytes(b"\x89PNG\r\n\x1a\ncut")
    found = check(tmp_path, DataConfig(skip_bad_files=True))
    assert found.ok
    assert len(found.skipped) == 12
    assert [text.partition(" ")[0] for text in found.skipped] == [f"bad{i}.png" for i in range(12)]
    assert found.as_dict()["skipped"] == list(found.skipped)
    assert [text for title, text in found.rows() if title == "skipped"] == list(found.skipped)


def test_fault_a_column_of_texts_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("a,name,gap\n" + "".join(f"{i},n{i},{i if i else ''}\n" for i in range(9)))
    found = check(path)
    assert found.ok
    assert sum(note.strip().startswith("name ") for note in found.notes) == 1
    assert sum("1 missing value in 1 column" in note for note in found.notes) == 1


def test_fault_an_image_with_a_hidden_name_is_not_left_out_without_a_word(tmp_path: Path) -> None:
    for i, name in enumerate(["1.png", "2.png", "..hidden.png", "._1.png", ".DS_Store"]):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / name, format="png")
    found = check(tmp_path)
    assert found.train is not None
    assert found.train.n == 2
    assert [n for n in found.notes if "hidden" in n] == [
        "1 image with a hidden name left out, e.g. ..hidden.png; rename hidden images to read them."
    ]


def test_fault_a_column_without_any_value_is_told_once_with_the_option_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "gap.csv"
    path.write_text("a,b,c\n" + "".join(f"{i},{i * i},\n" for i in range(9)))
    found = check(path, DataConfig(missing="error"))
    assert [problem.fix for problem in found.problems] == ["leave it out with --drop-column c"]
    assert [note for note in check(path).notes if "every cell is empty" in note]


def test_data_that_is_too_small_to_be_divided_is_warned_of() -> None:
    one = check(np.arange(64, dtype=np.uint8).reshape(1, 8, 8))
    assert one.warnings[0].startswith("1 sample; to split into training, validation and test takes at least 4")
    assert one.warnings[0].endswith("Add samples.")  # a single one is too few to train on with any others
    two = check(np.arange(128, dtype=np.uint8).reshape(2, 8, 8))
    assert two.warnings[0].endswith("Add samples, or pass other data with --validation and --test.")
    titles = dict(one.rows())
    assert titles["samples"] == "1 gray image of 8 x 8 pixels"
    assert "constant pixels" not in titles  # one sample differs from nothing
    assert not check(np.arange(256, dtype=np.uint8).reshape(4, 8, 8)).warnings


def test_fault_dark_bytes_are_told_as_training_tells_them() -> None:
    x = np.arange(17, dtype=np.uint8).repeat(64).reshape(17, 1, 8, 8)
    note = "the brightest pixel is 16 of 255, so images look black; --scale minmax would stretch the range"
    assert note in check(x).notes
    assert note not in check(x, DataConfig(scale="minmax")).notes
    assert not [told for told in check(x * np.uint8(15)).notes if "brightest" in told]  # up to 240


def test_fault_36_the_size_that_mixed_images_are_looked_at_is_told_as_no_size_of_theirs(tmp_path: Path) -> None:
    for name, size in (("a/1.png", (6, 6)), ("a/2.png", (6, 6)), ("b/1.png", (3, 3))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture(tmp_path, name, size=size)
    findings = check(tmp_path)
    assert said(findings, "samples") == ["3 gray images, resized to 6 x 6 pixels for this check"]
    assert "1 image resized to 6 x 6 pixels for this check (height x width)." in findings.notes
    assert findings.problems[0].problems[1] == "3 x 3: 1 image, e.g. b/1.png"
    asked = check(tmp_path, DataConfig(resize="6x6"))
    assert said(asked, "samples") == ["3 gray images of 6 x 6 pixels"]
    assert "1 image resized to 6 x 6 pixels (height x width)." in asked.notes


def test_a_class_of_one_sample_is_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,kind\n" + "".join(f"{i},{i * i},{'odd' if i == 5 else 'usual'}\n" for i in range(9)))
    found = check(path, DataConfig(label="kind")).warnings
    assert found[0].startswith("classes with fewer than 2 samples (1): odd.")
    assert found[0].endswith("Add samples of it, or leave it out.")
