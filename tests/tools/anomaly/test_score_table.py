"""`isthmus score`: the table, the picture, the words, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.data.images.saving import save_images
from isthmus.errors import UsageError
from isthmus.tools.anomaly import score_table
from tiny import Digits

COLUMNS = ["id", "label", "score", "p_value", "outlier", "from_error", "from_code", "from_local"]


def test_fault_85_outliers_without_any_anomaly_to_set_a_threshold_by(digit_run: Run, tmp_path: Path) -> None:
    """Normal digits are rarely called outliers, noise nearly always; the rate is said."""
    rng = np.random.default_rng(0)
    test = digit_run.prepared.splits.test.x
    np.save(tmp_path / "normal.npy", test)
    np.save(tmp_path / "noise.npy", rng.integers(0, 256, (50, 28, 28), dtype=np.uint8))
    normal = score_table.score(digit_run, tmp_path / "normal.npy", tmp_path / "a.csv", false_alarms=0.05)
    noise = score_table.score(digit_run, tmp_path / "noise.npy", tmp_path / "b.csv", false_alarms=0.05)
    assert noise.n_outliers == 50
    assert normal.n_outliers / normal.n < 0.16  # Beta(5, 96), passed by one draw of 100 scores in 1,000
    assert normal.n_calibration == 100
    assert "outliers of 200 at a false-alarm rate of 0.05; 10 would be expected if all were normal" in normal.text
    table = pl.read_csv(tmp_path / "b.csv")
    assert table["outlier"].all()
    assert (table["score"] > noise.threshold).all()


def test_samples_that_were_trained_on_are_counted_and_expected_of_none(digit_run: Run, tmp_path: Path) -> None:
    scored = score_table.score(
        digit_run, "mnist-2k", tmp_path / "s.csv", false_alarms=0.05
    )  # 1,600 train, 200 and 200 not
    assert scored.n_trained == scored.as_dict()["n_trained_on"] == 1_600
    assert any("1,600 of 2,000 samples were in the training data" in said for said in scored.said)
    assert "; 20 would be expected among the 400 new samples if all were normal." in scored.text


def test_data_is_scored_without_the_training_data_and_copies_are_known_under_any_name(
    digit_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise AssertionError("the training data was read, or downloaded")

    splits = digit_run.prepared.splits
    np.save(tmp_path / "new.npy", splits.test.x)
    np.save(tmp_path / "copies.npy", np.concatenate([splits.train.x[5:12], splits.test.x[:4]]))
    monkeypatch.setattr("isthmus.training.prepare.read_splits", unreadable)
    scored = score_table.score(Run(digit_run.path), tmp_path / "new.npy", tmp_path / "s.csv", false_alarms=0.05)
    assert (scored.n, scored.n_trained) == (200, 0)
    assert not any("trained on" in said for said in scored.said)
    copies = score_table.score(Run(digit_run.path), tmp_path / "copies.npy", tmp_path / "c.csv", false_alarms=0.05)
    assert (copies.n, copies.n_trained) == (11, 7)


def test_a_run_from_before_its_rows_were_kept_reads_its_own_data_once(
    digit_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Path(shutil.copytree(digit_run.path, tmp_path / "old"))
    shutil.rmtree(old / "latent" / "training_rows")
    np.save(tmp_path / "new.npy", digit_run.prepared.splits.test.x)
    reads = tiny.counted(monkeypatch, "isthmus.training.prepare.read_splits")
    assert score_table.score(Run(old), tmp_path / "new.npy", tmp_path / "n.csv", false_alarms=0.05).n_trained is None
    for _ in range(2):
        assert score_table.score(Run(old), "mnist-2k", tmp_path / "s.csv", false_alarms=0.05).n_trained == 1_600
    assert len(reads) == 1


def test_images_are_read_once(digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_images(tmp_path / "in", digits.x[:60], [f"{i}.png" for i in range(60)])
    run = isthmus.train(tmp_path / "in", out=tmp_path / "run", **tiny.FAST)
    reads = tiny.counted(monkeypatch, "isthmus.data.sources.read_images")
    score_table.score(run, tmp_path / "in", tmp_path / "s.csv")
    assert len(reads) == 1


def test_hundreds_are_written_in_full() -> None:
    scored = score_table.Scored(Path("s.csv"), None, 10_000, 3, 0.01, 1.0, 999, ())
    assert "; 100 would be expected if all were normal" in scored.text
    assert "; 0.35 would be expected" in score_table.Scored(Path("s.csv"), None, 35, 3, 0.01, 1.0, 999, ()).text
    one = score_table.Scored(Path("s.csv"), None, 3, 0, 0.01, 1.0, 999, (), 2)
    assert "; 0.01 would be expected among the 1 new sample" in one.text
    none = score_table.Scored(Path("s.csv"), None, 3, 0, 0.01, 1.0, 999, (), 3)
    assert none.text == "0 outliers of 3 at a false-alarm rate of 0.01. Scores written to s.csv"


def test_the_table_of_scores(digit_run: Run, tmp_path: Path) -> None:
    scored = score_table.score(digit_run, "mnist-2k", tmp_path / "s.parquet")
    table = pl.read_parquet(tmp_path / "s.parquet")
    assert table.columns == COLUMNS
    assert table.height == scored.n == 2_000
    np.testing.assert_allclose(table["score"], table["from_error"] + table["from_code"] + table["from_local"])
    np.testing.assert_array_equal(table["outlier"], table["p_value"] <= 0.01)
    assert table["outlier"].sum() == scored.n_outliers
    order = table.sort("score")
    assert (np.diff(order["p_value"].to_numpy()) <= 0).all()
    assert json.loads(json.dumps(scored.as_dict()))["false_alarms"] == 0.01


def test_chosen_rows_have_the_scores_that_they_have_among_all(digit_run: Run, tmp_path: Path) -> None:
    tables = []
    for name, source in (("all", "mnist-2k"), ("few", "mnist-2k:7,30-31")):
        score_table.score(digit_run, source, tmp_path / f"{name}.csv")
        tables.append(pl.read_csv(tmp_path / f"{name}.csv"))
    assert tables[1]["id"].to_list() == [7, 30, 31]
    np.testing.assert_allclose(tables[1]["score"], tables[0]["score"].gather([7, 30, 31]), rtol=1e-5)  # float32


def test_the_picture_of_the_strangest(digit_run: Run, tmp_path: Path) -> None:
    score_table.score(digit_run, "mnist-2k", tmp_path / "s.csv", picture=tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red = (pixels[..., 0] > pixels[..., 1] + 60) & (pixels[..., 0] > pixels[..., 2] + 60)
    assert red.sum() > 100


def test_the_columns_to_blame_stand_beside_a_row(table_run: Run, tmp_path: Path) -> None:
    table = tiny.table(1_000)[:30]
    table[3, 4] += 40
    pl.DataFrame(table, schema=list("abcdef")).write_csv(tmp_path / "in.csv")
    scored = score_table.score(table_run, tmp_path / "in.csv", tmp_path / "s.csv", false_alarms=0.05)
    found = pl.read_csv(tmp_path / "s.csv")
    assert found.columns[-6:] == ["blame1", "amount1", "blame2", "amount2", "blame3", "amount3"]
    strangest = found.sort("score", descending=True).row(0, named=True)
    assert (strangest["id"], strangest["blame1"], strangest["outlier"]) == (3, "e", True)
    assert strangest["amount1"] > (strangest["amount2"] or 0)
    assert scored.n_outliers >= 1


def test_too_few_to_calibrate_the_rate_that_was_asked_for(table_run: Run, digit_run: Run, tmp_path: Path) -> None:
    """1,000 rows leave 100 for validation, of which 50 calibrate; of images no further models are trained."""
    pl.DataFrame(tiny.table(5), schema=list("abcdef")).write_csv(tmp_path / "in.csv")
    with pytest.raises(UsageError, match=r"rate of 0\.001 needs 999 normal samples for calibration; this run has 100"):
        score_table.score(digit_run, "mnist-2k:0-9", tmp_path / "s.csv", false_alarms=0.001)
    assert not (tmp_path / "s.csv").exists()
    scored = score_table.score(table_run, tmp_path / "in.csv", tmp_path / "s.csv")
    assert scored.rate == pytest.approx(1 / 51)
    assert scored.said[-1].startswith("50 samples calibrate the p-values, so the false-alarm rate is 0.02,")
    assert "or pass --false-alarms 0.01, which trains additional models" in scored.said[-1]


def test_what_cannot_be_written(table_run: Run, digit_run: Run, tmp_path: Path) -> None:
    for out, picture, told in (
        ("s.png", None, r"as \.png"),
        ("s.csv", "p.jpg", r"as \.jpg"),
        ("out", None, "a folder"),
    ):
        with pytest.raises(UsageError, match=told):
            score_table.score(digit_run, "mnist-2k", tmp_path / out, picture=picture and tmp_path / picture)
    with pytest.raises(UsageError, match="cannot be drawn"):
        score_table.score(table_run, "mnist-2k", tmp_path / "s.csv", picture=tmp_path / "p.png")
    np.save(tmp_path / "in.npy", tiny.table(5))
    with pytest.raises(UsageError, match=r"as \.npy|is the input itself"):
        score_table.score(table_run, tmp_path / "in.npy", tmp_path / "in.npy")


def test_a_run_from_before_is_told(table_run: Run, tmp_path: Path) -> None:
    old = tiny.unscored(table_run, tmp_path / "old")
    pl.DataFrame(tiny.table(5), schema=list("abcdef")).write_csv(tmp_path / "in.csv")
    scored = score_table.score(Run(old), tmp_path / "in.csv", tmp_path / "s.csv")
    assert scored.said[-1].startswith("the calibration samples of this run also helped to choose the best epoch")


def test_the_command(table_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame(tiny.table(8), schema=list("abcdef")).write_csv(tmp_path / "in.csv")
    arguments = ["score", str(table_run.path), str(tmp_path / "in.csv"), "-o", str(tmp_path / "s.csv"), "--json"]
    assert run_guarded(build_app(), [*arguments, "--false-alarms", "0.1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["false_alarms"], found["n_calibration"]) == (8, 0.1, 50)
    assert run_guarded(build_app(), [*arguments, "--false-alarms", "0.001"]) == 2


def test_a_run_too_small_to_calibrate_names_no_outliers(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    run = isthmus.train(str(tmp_path / "rows.npy"), z_size=2, epochs=1, show=False, out=tmp_path / "run")
    scored = score_table.score(Run(run.path), tmp_path / "rows.npy", tmp_path / "s.csv")
    assert (scored.n_outliers, scored.as_dict()["false_alarms"]) == (0, None)
    assert "60 samples scored, but no outliers" in scored.text
    assert pl.read_csv(tmp_path / "s.csv")["p_value"].unique().to_list() == [1.0]


def patients(n: int, seed: int) -> pl.DataFrame:
    """Five rows of each patient, who all lie about a place of their own."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, 1, 4)) + 0.1 * rng.normal(size=(n, 5, 4))).reshape(-1, 4)
    who = pl.Series("who", [f"p{i // 5}" for i in range(5 * n)])
    return pl.DataFrame(x, schema=list("abcd")).with_columns(who)


def test_fault_91_the_rate_is_one_of_groups_where_rows_belong_together(tmp_path: Path) -> None:
    patients(400, 0).write_csv(tmp_path / "t.csv")
    new = patients(100, 1)
    new.write_csv(tmp_path / "new.csv")
    run = isthmus.train(str(tmp_path / "t.csv"), group="who", out=tmp_path / "run", **tiny.FAST | {"z_size": 2})
    held = run.prepared.splits
    parts = [set(part.groups.tolist()) for part in (held.train, held.validation, held.test)]  # type: ignore[union-attr]
    assert [len(part) for part in parts] == [320, 40, 40]
    scored = score_table.score(run, tmp_path / "new.csv", tmp_path / "s.csv", false_alarms=0.1)
    assert scored.n_calibration == 20  # half of the 40 patients for validation
    table = pl.read_csv(tmp_path / "s.csv").with_columns(who=new["who"])
    assert table.columns[:2] == ["id", "score"]
    flagged = int(table.group_by("who").agg(pl.col("outlier").any())["outlier"].sum())
    assert scored.groups == (flagged, 100)
    assert scored.as_dict()["groups"] == {"n": 100, "with_outliers": flagged}
    assert f"in {flagged} of 100 groups, at a false-alarm rate of 0.1 per group; 10 would be" in scored.text
    assert flagged / 100 < 0.32  # Beta(2, 19), which one draw of 20 groups in 100 passes, and 100 more groups
    with pytest.raises(UsageError, match=r"needs 999 normal groups for calibration; this run has 360"):
        score_table.score(run, tmp_path / "new.csv", tmp_path / "s2.csv", false_alarms=0.001)
    new.drop("who").write_csv(tmp_path / "single.csv")
    single = score_table.score(run, tmp_path / "single.csv", tmp_path / "s3.csv", false_alarms=0.1)
    assert single.groups is None
    assert any("each of these samples counts as a group" in said for said in single.said)
    np.testing.assert_array_equal(run.model.encode(new), run.model.encode(new.drop("who")))


def test_fault_91_pieces_of_a_photograph_calibrate_as_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(30, 220, (200, 1, 1))
    x = (levels + rng.integers(-20, 20, (200, 16, 16))).astype(np.uint8)
    np.save(tmp_path / "x.npy", x[:180])
    np.save(tmp_path / "new.npy", x[180:])
    given = tiny.FAST | {"z_size": 2, "patches": "8", "network": "mlp", "epochs": 1}
    run = isthmus.train(str(tmp_path / "x.npy"), out=tmp_path / "run", **given)
    scored = score_table.score(run, tmp_path / "new.npy", tmp_path / "s.csv")
    assert (scored.n, scored.n_calibration) == (80, 9)  # 18 photographs for validation, four pieces each
    assert scored.groups is not None
    assert scored.groups[1] == 20
    assert run.record["settings"]["data"]["split"] == "stratified"
    text = (run.path / "config.toml").read_text().replace('split = "stratified"\n', "").replace('digits = "auto"\n', "")
    (run.path / "config.toml").write_text(text)
    shutil.rmtree(run.path / "latent" / "anomaly")
    before = score_table.score(Run(run.path), tmp_path / "new.npy", tmp_path / "s2.csv")
    assert before.n_calibration == 36  # half of the pieces, as then
    assert any("false alarms may be more frequent than stated" in said for said in before.said)
