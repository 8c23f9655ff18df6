from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isthmus.errors import FolderInUseError, ModelFileError, UsageError
from isthmus.runs.artifacts import Artifacts


def weights(run: Path, sha256: str) -> None:
    """What of a model folder tells its weights."""
    (run / "model").mkdir(parents=True, exist_ok=True)
    manifest = {"format": 1, "files": {"model.safetensors": {"bytes": 1, "sha256": sha256}}}
    (run / "model" / "MANIFEST.json").write_text(json.dumps(manifest))


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    weights(tmp_path, "a" * 64)
    return Artifacts(tmp_path)


def test_a_part_comes_back_as_it_was_put(artifacts: Artifacts) -> None:
    arrays = {"axis": np.arange(6, dtype=np.float64).reshape(2, 3), "rows": np.array([3, 1])}
    artifacts.put("features/slant", {"step": 0.25, "of": ["a", "b"], "score": float("nan")}, arrays)
    about, found = artifacts.get("features/slant")
    assert (about["step"], about["of"], about["score"]) == (0.25, ["a", "b"], None)
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        name: (value.dtype, value.tolist()) for name, value in arrays.items()
    }


def test_a_part_of_plain_values_alone_needs_no_arrays(artifacts: Artifacts) -> None:
    artifacts.put("calibration", {"threshold": 3})
    assert artifacts.get("calibration").arrays == {}
    assert {p.name for p in (artifacts.folder / "calibration").iterdir()} == {"calibration.json", "MANIFEST.json"}


def test_adding_one_part_rewrites_no_other(artifacts: Artifacts) -> None:
    artifacts.put("codes", {}, {"z": np.zeros((2, 3), np.float32)})
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (artifacts.folder / "codes").iterdir()}
    artifacts.put("features/a b", {})
    artifacts.put("features/1+7", {})
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (artifacts.folder / "codes").iterdir()} == before
    assert artifacts.names() == ["codes"]
    assert artifacts.names("features") == ["1+7", "a b"]


def test_a_part_made_with_other_weights_counts_as_not_there(artifacts: Artifacts) -> None:
    artifacts.put("codes", {})
    assert artifacts.has("codes")
    weights(artifacts.run_path, "b" * 64)
    assert not artifacts.has("codes")
    with pytest.raises(ModelFileError, match="codes was made with different weights"):
        artifacts.get("codes")
    artifacts.put("codes", {"again": True})
    assert artifacts.get("codes").about["again"] is True


@pytest.mark.parametrize("name", ["codes.json", "codes.safetensors"])
def test_a_changed_byte_is_found(artifacts: Artifacts, name: str) -> None:
    artifacts.put("codes", {"n": 12}, {"z": np.ones(4)})
    path = artifacts.folder / "codes" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"{name} is damaged") as caught:
        artifacts.get("codes")
    assert caught.value.fix is not None
    assert "recreates it" in caught.value.fix


def test_what_is_missing_is_named(artifacts: Artifacts) -> None:
    assert not artifacts.has("density")
    assert artifacts.names() == artifacts.names("features") == []
    with pytest.raises(ModelFileError, match="has no latent/density"):
        artifacts.get("density")


def test_a_part_whose_description_is_gone_is_there_but_damaged(artifacts: Artifacts) -> None:
    artifacts.put("codes", {})
    (artifacts.folder / "codes" / "codes.json").unlink()
    assert artifacts.has("codes")
    with pytest.raises(ModelFileError, match=r"'codes\.json' is missing"):
        artifacts.get("codes")


@pytest.mark.parametrize("name", ["", "..", "../codes", "a/b/c", "/etc", "features/", ".hidden", "a\nb", "x" * 90])
def test_names_cannot_lead_out_of_the_folder(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name for a part of latent/"):
        artifacts.put(name, {})


def test_fault_87_a_part_of_weights_that_were_replaced_is_refused_or_not_kept(artifacts: Artifacts) -> None:
    opened = Artifacts(artifacts.run_path, weights="a" * 64)
    opened.put("codes", {"of": "a"})
    weights(artifacts.run_path, "b" * 64)
    assert opened.get("codes").about["of"] == "a"  # it still fits the weights in memory
    assert not artifacts.has("codes")
    with pytest.raises(FolderInUseError, match="was trained further while latent/feature was being made"):
        opened.put("feature", {})
    opened.keep("codes", {"of": "old"})
    artifacts.put("codes", {"of": "b"})
    opened.keep("codes", {"of": "old"})
    assert artifacts.get("codes").about["of"] == "b"
    with pytest.raises(ModelFileError, match="made with different weights than those in use"):
        opened.get("codes")


def test_fault_87_weights_that_lie_in_no_file_fit_no_part(artifacts: Artifacts) -> None:
    artifacts.put("codes", {})
    assert not Artifacts(artifacts.run_path, weights="").has("codes")
