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
def shelf(tmp_path: Path) -> Artifacts:
    weights(tmp_path, "a" * 64)
    return Artifacts(tmp_path)


def test_a_part_comes_back_as_it_was_put(shelf: Artifacts) -> None:
    arrays = {"axis": np.arange(6, dtype=np.float64).reshape(2, 3), "rows": np.array([3, 1])}
    shelf.put("features/slant", {"step": 0.25, "of": ["a", "b"], "score": float("nan")}, arrays)
    about, found = shelf.get("features/slant")
    assert (about["step"], about["of"], about["score"]) == (0.25, ["a", "b"], None)
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        name: (value.dtype, value.tolist()) for name, value in arrays.items()
    }


def test_a_part_of_plain_values_alone_needs_no_arrays(shelf: Artifacts) -> None:
    shelf.put("calibration", {"threshold": 3})
    assert shelf.get("calibration").arrays == {}
    assert {p.name for p in (shelf.folder / "calibration").iterdir()} == {"calibration.json", "MANIFEST.json"}


def test_adding_one_part_rewrites_no_other(shelf: Artifacts) -> None:
    shelf.put("codes", {}, {"z": np.zeros((2, 3), np.float32)})
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (shelf.folder / "codes").iterdir()}
    shelf.put("features/a b", {})
    shelf.put("features/1+7", {})
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in (shelf.folder / "codes").iterdir()} == before
    assert shelf.names() == ["codes"]
    assert shelf.names("features") == ["1+7", "a b"]


def test_a_part_made_with_other_weights_counts_as_not_there(shelf: Artifacts) -> None:
    shelf.put("codes", {})
    assert shelf.has("codes")
    weights(shelf.run_path, "b" * 64)
    assert not shelf.has("codes")
    with pytest.raises(ModelFileError, match="codes was made with other weights"):
        shelf.get("codes")
    shelf.put("codes", {"again": True})
    assert shelf.get("codes").about["again"] is True


@pytest.mark.parametrize("name", ["codes.json", "codes.safetensors"])
def test_a_changed_byte_is_found(shelf: Artifacts, name: str) -> None:
    shelf.put("codes", {"n": 12}, {"z": np.ones(4)})
    path = shelf.folder / "codes" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"{name} is damaged") as caught:
        shelf.get("codes")
    assert caught.value.fix is not None
    assert "made anew" in caught.value.fix


def test_what_is_missing_is_named(shelf: Artifacts) -> None:
    assert not shelf.has("density")
    assert shelf.names() == shelf.names("features") == []
    with pytest.raises(ModelFileError, match="has no latent/density"):
        shelf.get("density")


def test_a_part_whose_description_is_gone_is_there_but_damaged(shelf: Artifacts) -> None:
    shelf.put("codes", {})
    (shelf.folder / "codes" / "codes.json").unlink()
    assert shelf.has("codes")
    with pytest.raises(ModelFileError, match=r"'codes\.json' is missing"):
        shelf.get("codes")


@pytest.mark.parametrize("name", ["", "..", "../codes", "a/b/c", "/etc", "features/", ".hidden", "a\nb", "x" * 90])
def test_names_cannot_lead_out_of_the_folder(shelf: Artifacts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of something in latent/"):
        shelf.put(name, {})


def test_fault_87_a_part_of_weights_that_were_replaced_is_refused_or_not_kept(shelf: Artifacts) -> None:
    opened = Artifacts(shelf.run_path, weights="a" * 64)
    opened.put("codes", {"of": "a"})
    weights(shelf.run_path, "b" * 64)
    assert opened.get("codes").about["of"] == "a"  # it still fits the weights in memory
    assert not shelf.has("codes")
    with pytest.raises(FolderInUseError, match="was trained on while latent/feature was made of its weights before"):
        opened.put("feature", {})
    opened.keep("codes", {"of": "old"})
    shelf.put("codes", {"of": "b"})
    opened.keep("codes", {"of": "old"})
    assert shelf.get("codes").about["of"] == "b"
    with pytest.raises(ModelFileError, match="made with other weights than those that are in use"):
        opened.get("codes")


def test_fault_87_weights_that_lie_in_no_file_fit_no_part(shelf: Artifacts) -> None:
    shelf.put("codes", {})
    assert not Artifacts(shelf.run_path, weights="").has("codes")
