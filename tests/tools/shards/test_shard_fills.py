"""Filling the gaps of many tables: one filled file per table, and what was filled in each and in all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import isthmus
from isthmus.errors import DataError, UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.imputation import impute
from isthmus.tools.shards.pools import local_workers
from isthmus.tools.shards.shard_fills import ShardFills
from isthmus.tools.shards.shard_folder import ShardsWritten, process_shards
from isthmus.tools.shards.shard_listing import shards_of
from isthmus.tools.shards.shard_run import Workers


@contextmanager
def one_thread() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


HERE = Workers(one_thread, 1)
ROWS = (60, 30, 20)


def orders(n: int, seed: int) -> pl.DataFrame:
    """Prices that follow from drink and count; every fifth price and every seventh drink is missing."""
    rng = np.random.default_rng(seed)
    drinks, counts = rng.choice(["tea", "=milk", "rum"], n), rng.integers(1, 6, n)
    price = np.round(counts * np.char.str_len(drinks) + rng.normal(0, 0.1, n), 2)
    places = np.arange(n)
    return pl.DataFrame({
        "drink": pl.Series([None if i % 7 == 3 else drink for i, drink in zip(places, drinks, strict=True)]),
        "count": counts,
        "price": pl.Series([None if i % 5 == 2 else p for i, p in zip(places, price.tolist(), strict=True)]),
    })  # fmt: skip


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "parts"
    folder.mkdir()
    for i, (n, suffix) in enumerate(zip(ROWS, ("csv", "tsv", "parquet"), strict=True)):
        table, path = orders(n, seed=i), folder / f"part-{i}.{suffix}"
        if suffix == "parquet":
            table.write_parquet(path)
        else:
            table.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("filling") / "run"
    isthmus.train(orders(240, seed=9), recipe="vae", epochs=3, threads=1, seed=0, out=path, show=False)
    return RunFolder(path)


def filled(run: RunFolder, parts: Path, out: Path, workers: Workers = HERE, form: str | None = None) -> ShardsWritten:
    threads = torch.get_num_threads()
    shards = shards_of(str(parts), "impute", form=form)
    try:
        return process_shards("impute", run, str(parts), shards, out, workers, settings={}, options={})
    finally:
        torch.set_num_threads(threads)


def test_each_table_is_filled_as_it_is_alone_and_keeps_its_format(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    written = filled(run, parts, tmp_path / "full")
    assert (written.n, written.shards, written.left) == (sum(ROWS), 3, 0)
    for path in sorted(parts.iterdir()):
        alone = impute(run, path, tmp_path / f"alone{path.suffix}")
        assert (tmp_path / "full" / path.name).read_bytes() == alone.path.read_bytes()
        about = written.as_dict()["by_shard"][path.name]
        assert about == {"filled": alone.columns, "spread": alone.spreads}
    assert written.fills is not None
    assert written.fills.columns == {"drink": sum(len(range(3, n, 7)) for n in ROWS),
                                     "price": sum(len(range(2, n, 5)) for n in ROWS)}  # fmt: skip
    price = next(text for text in written.said if text.startswith('22 cells of column "price" filled: '))
    assert "hidden validation cells" in price
    assert "20 draws differ by" in price
    assert not any('12 cells of column "price"' in text for text in written.said)  # those of one table


def test_several_workers_write_the_same_bytes(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    alone = filled(run, parts, tmp_path / "one")
    several = filled(run, parts, tmp_path / "two", local_workers(2))
    assert several.as_dict()["by_shard"] == alone.as_dict()["by_shard"]
    names = sorted(path.name for path in (tmp_path / "one").glob("part-*"))
    assert names == ["part-0.csv", "part-1.tsv", "part-2.parquet"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_tables_that_are_there_still_count(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    first = filled(run, parts, tmp_path / "full")
    (tmp_path / "full" / "part-1.tsv").unlink()
    again = filled(run, parts, tmp_path / "full")
    assert again.left == 2
    assert again.fills == first.fills
    entry = json.loads((tmp_path / "full" / "MANIFEST.json").read_text())["shards"]["part-1.tsv"]
    assert entry["filled"] == {"drink": len(range(3, 30, 7)), "price": len(range(2, 30, 5))}


@pytest.mark.parametrize("lacking", ["n", "filled", "spread"])
def test_tables_are_filled_again_if_the_manifest_lacks_what_was_filled(
    lacking: str, run: RunFolder, parts: Path, tmp_path: Path
) -> None:
    first, manifest = filled(run, parts, tmp_path / "full"), tmp_path / "full" / "MANIFEST.json"
    whole = json.loads(manifest.read_text())
    del whole["shards"]["part-0.csv"][lacking]
    manifest.write_text(json.dumps(whole))
    again = filled(run, parts, tmp_path / "full")
    assert (again.left, again.fills) == (0, first.fills)


def test_tables_are_filled_again_if_the_errors_of_the_run_changed(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    other = RunFolder(Path(shutil.copytree(run.path, tmp_path / "run")))
    filled(other, parts, tmp_path / "full")
    shutil.rmtree(other.path / "latent" / "fill_errors")
    assert filled(other, parts, tmp_path / "full").left == 0
    assert filled(other, parts, tmp_path / "full").left == 3


def test_the_spread_of_all_is_that_of_their_cells(run: RunFolder) -> None:
    a = {"filled": {"price": 3, "drink": 1}, "spread": {"price": 1.0, "drink": 0.5}}
    b = {"filled": {"price": 1}, "spread": {"price": 3.0}}
    fills = ShardFills.of(run, {"a.csv": a, "b.csv": b, "whole.csv": {"filled": {}, "spread": {}}})
    assert fills.columns == {"drink": 1, "price": 4}
    assert fills.spreads == pytest.approx({"drink": 0.5, "price": ((3 * 1 + 1 * 9) / 4) ** 0.5})


def test_a_table_that_cannot_be_filled_is_named_and_the_others_are_written(
    run: RunFolder, parts: Path, tmp_path: Path
) -> None:
    some = Path(shutil.copytree(parts, tmp_path / "some"))
    (some / "part-0.csv").write_text("drink,count,price\ntea,many,3\nrum,2,\n")
    with pytest.raises(DataError, match=r"1 of 3 shards could not be written") as caught:
        filled(run, some, tmp_path / "full")
    assert 'part-0.csv: part-0.csv, row 2, column "count": "many" is not a number' in caught.value.problems[0]
    assert {path.name for path in (tmp_path / "full").glob("part-*")} == {"part-1.tsv", "part-2.parquet"}


def test_what_cannot_be_filled_is_refused_at_once(table_run: Any, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this run was not trained to fill missing values"):
        filled(RunFolder(table_run.path), parts, tmp_path / "full")
    assert not (tmp_path / "full").exists()
    with pytest.raises(UsageError, match="impute cannot write npy files"):
        shards_of(str(parts), "impute", form="npy")
    (tmp_path / "a" / "day-1").mkdir(parents=True)
    with pytest.raises(UsageError, match="impute takes tables and arrays, and day-1 is a folder"):
        shards_of(str(tmp_path / "a"), "impute", folders=True)
    assert [shard.out for shard in shards_of(str(parts), "impute", form="parquet")] == [
        f"part-{i}.parquet" for i in range(3)
    ]
