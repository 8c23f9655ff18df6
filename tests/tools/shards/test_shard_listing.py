from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.errors import DataError, UsageError
from isthmus.tools.shards.shard_listing import shards_of


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(found: list) -> list[tuple[str, str]]:
    return [(shard.name, shard.out) for shard in found]


def test_a_folder_of_tables_and_arrays_is_shards_in_natural_order(tmp_path: Path) -> None:
    files(tmp_path, "b-10.npy", "b-2.npy", "a.csv", "c.parquet", "d.npz", "e.csv.gz", "_SUCCESS", ".x.npy", "notes.txt")
    assert listed(shards_of(str(tmp_path), "encode")) == [
        ("a.csv", "a.csv"),
        ("b-2.npy", "b-2.npy"),
        ("b-10.npy", "b-10.npy"),
        ("c.parquet", "c.parquet"),
        ("d.npz", "d.npy"),
        ("e.csv.gz", "e.csv"),
    ]
    assert {out.rpartition(".")[2] for _, out in listed(shards_of(str(tmp_path), "score"))} == {"csv", "parquet"}


@pytest.mark.parametrize(
    "names",
    [
        ("a.png", "labels.csv"),
        ("cats/1.png", "dogs/2.png"),
        ("cats/1.png", "dogs/2.JPG", "metadata.csv"),
        ("train-images-idx3-ubyte",),
        ("a.bin",),
        (),
    ],
)
def test_other_folders_are_one_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert not shards_of(str(files(tmp_path, *names)), "encode")
    assert not shards_of("mnist-2k", "encode")
    assert not shards_of("mnist-2k:0-9", "encode")


def test_a_pattern_keeps_the_folders_below_its_plain_part(tmp_path: Path) -> None:
    files(tmp_path, "x/day=1/p.parquet", "x/day=2/p.parquet", "x/day=2/readme.md", "y/p.parquet")
    found = shards_of(f"{tmp_path}/x/**/*", "encode", form="csv")
    assert listed(found) == [("day=1/p.parquet", "day=1/p.csv"), ("day=2/p.parquet", "day=2/p.csv")]
    odd = files(tmp_path, "a[1].npy") / "a[1].npy"
    assert not shards_of(str(odd), "encode")  # a path that exists beats a pattern
    with pytest.raises(DataError, match=r"no table or array matches") as caught:
        shards_of(f"{tmp_path}/x/*.npy", "encode")
    assert caught.value.exit_code == 3


def test_folders_of_images_are_shards_where_that_is_asked(tmp_path: Path) -> None:
    files(tmp_path, "day2/a.png", "day10/a.png", ".cache/a.png", "loose.png")
    assert listed(shards_of(str(tmp_path), "encode", folders=True)) == [
        ("day2", "day2.parquet"),
        ("day10", "day10.parquet"),
    ]
    assert listed(shards_of(str(tmp_path), "reconstruct", folders=True))[0] == ("day2", "day2")
    with pytest.raises(DataError, match="there are none"):
        shards_of(str(tmp_path / "day2"), "encode", folders=True)


def test_two_that_would_be_one_are_refused(tmp_path: Path) -> None:
    files(tmp_path, "a.csv", "a.npy")
    assert len(shards_of(str(tmp_path), "encode")) == 2
    with pytest.raises(UsageError, match="2 shards would have the same output file as another") as caught:
        shards_of(str(tmp_path), "encode", form="parquet")
    assert caught.value.problems == ("a.csv as a.parquet", "a.npy as a.parquet")
    with pytest.raises(UsageError, match=r"score cannot write npy files") as caught:
        shards_of(str(tmp_path), "score", form="npy")
    assert caught.value.fix == "pass --format csv or parquet"
    with pytest.raises(UsageError, match="encode cannot write xlsx files"):
        shards_of(str(tmp_path), "encode", form="xlsx")
