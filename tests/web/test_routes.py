"""The API answers what the model says: the same numbers as in Python, for JSON and for files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

import isthmus
import tiny
from isthmus.api import Run
from isthmus.tools.anomaly.detector import Detector
from isthmus.tools.editing.edits import edit_of
from isthmus.tools.sampling.sampling import draw_samples
from isthmus.web.anomaly_panel import graded
from isthmus.web.bodies import CodesBody, DenoiseBody, EditBody, InterpolationBody, SampleBody, SamplesBody
from served import app_of, client, pixels, png, uri
from tiny import Digits


@pytest.fixture(scope="module")
def asked(denoiser: Run) -> Any:
    return client(app_of(denoiser.path))


@pytest.fixture(scope="module")
def labeled(digit_run: Run) -> Any:
    return client(app_of(digit_run.path))


def test_codes_are_those_of_the_model(asked: Any, denoiser: Run, digits: Digits) -> None:
    wanted = denoiser.model.encode(digits.x[:3])
    by_json = asked.post("/api/encode", json={"images": [uri(x[0]) for x in digits.x[:3]]}).json()
    by_form = asked.post("/api/encode", files=[("files", ("a.png", png(x[0]))) for x in digits.x[:3]]).json()
    by_numbers = asked.post("/api/encode", json={"x": digits.x[:3].tolist()}).json()
    for found in (by_json, by_form, by_numbers):
        np.testing.assert_allclose(found["z"], wanted, rtol=1e-6)


def test_pictures_are_those_of_the_model(asked: Any, denoiser: Run, digits: Digits) -> None:
    found = asked.post("/api/reconstruct", json={"x": digits.x[:2].tolist()}).json()
    wanted = denoiser.model.reconstruct(digits.x[:2])
    assert [pixels(u).tolist() for u in found["images"]] == wanted[:, 0].tolist()
    assert pixels(found["input"][0]).tolist() == digits.x[0, 0].tolist()
    mse = np.square((wanted.astype(float) - digits.x[:2]) / 255).mean((1, 2, 3))
    assert found["mse"] == pytest.approx(mse.tolist(), rel=1e-4)
    assert found["psnr_db"] == pytest.approx((-10 * np.log10(mse)).tolist(), rel=1e-4)
    decoded = asked.post("/api/decode", json={"z": found["z"], "form": "numbers"}).json()["x"]
    assert np.array_equal(decoded, wanted)


def test_noise_is_added_and_measured(asked: Any, digits: Digits) -> None:
    given = {"x": digits.x[:1].tolist(), "noise": "gaussian:0.5", "form": "numbers"}
    one, again, other = (asked.post("/api/denoise", json=given | {"seed": seed}).json() for seed in (1, 1, 2))
    assert one == again != other
    mse = np.square((np.array(one["noisy"], float) - digits.x[:1]) / 255).mean()
    assert one["noisy_psnr_db"] == pytest.approx([-10 * np.log10(mse)], rel=1e-4)


def deep(n: int) -> list[Any]:
    """A list in a list in a list …"""
    found: list[Any] = []
    for _ in range(n):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("encode", {}, 400, "the request needs samples"),
        ("encode", {"imagez": []}, 400, "imagez"),
        ("encode", {"images": ["http://evil.example/a.png"]}, 422, "not base64"),
        ("encode", {"x": [[1, 2]]}, 422, "the input has shape"),
        ("encode", {"x": [[1], [1, 2]]}, 422, "x is ragged"),
        ("encode", {"x": deep(900)}, 422, "x is ragged, or its lists are nested too deeply"),
        ("encode", {"x": [["a"]]}, 422, "not numbers"),
        ("decode", {"z": [[1e39] * 4]}, 422, "finite numbers"),
        ("decode", {"z": [[0.0]]}, 422, "the model takes"),
        ("denoise", {"x": [[0] * 784], "noise": "fog:1"}, 400, "fog"),
        ("denoise", {"x": [[0] * 784], "noise": "pairs"}, 400, "cannot be added to samples"),
        ("denoise", {"x": [[0] * 784], "noise": "unknown:2"}, 400, "cannot be added to samples"),
        ("edit", {"z": [[0, 0, 0, 0]]}, 400, "neither adds nor removes"),
        ("sample", {"n": 2000}, 400, "n: "),
    ],
)
def test_what_cannot_be_meant_is_told(asked: Any, path: str, body: Any, status: int, told: str) -> None:
    answer = asked.post(f"/api/{path}", json=body)
    assert (answer.status_code, told in answer.json()["error"]["message"]) == (status, True), answer.text


def test_a_way_begins_and_ends_where_it_should(asked: Any, denoiser: Run, digits: Digits) -> None:
    a, b = denoiser.model.encode(digits.x[:2]).tolist()
    found = asked.post("/api/walk", json={"a": a, "b": b, "steps": 5}).json()
    np.testing.assert_allclose(found["z"], np.linspace(a, b, 5), rtol=1e-5, atol=1e-6)


def test_scores_are_those_of_the_library(asked: Any, denoiser: Run, digits: Digits) -> None:
    raw = np.concatenate([digits.x[200:205], 255 - digits.x[200:202]])
    found = asked.post("/api/score", json={"x": raw.tolist()}).json()
    detector = Detector.of_run(Run(denoiser.path))
    wanted = detector.scores(raw)
    np.testing.assert_allclose(found["score"], wanted.score, rtol=1e-6)
    # Vovk et al. 2005: (1 + how many that calibrate are at least as strange) / (n + 1)
    as_strange = (detector.calibration[None] >= wanted.score[:, None]).sum(1)
    p = (1 + as_strange) / (len(detector.calibration) + 1)
    assert found["p_value"] == pytest.approx(p.tolist())
    assert found["rate"] == pytest.approx(max(0.01, 1 / (len(detector.calibration) + 1)))
    assert found["outlier"] == [bool(value <= found["rate"] + 1e-9) for value in p]
    assert [pixels(u).shape for u in found["heat"]] == [(28, 28, 4)] * 7


def test_where_nothing_calibrates_nothing_is_called_strange(tmp_path: Path) -> None:
    rows = tiny.table(60)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c,d,e,f", comments="")
    run = isthmus.train(tmp_path / "rows.csv", out=tmp_path / "run", **tiny.FAST)
    found = client(app_of(run.path)).post("/api/score", json={"x": rows[:2].tolist()}).json()
    wanted = Detector.of_run(Run(run.path)).scores(rows[:2]).score
    assert found["score"] == pytest.approx(wanted.tolist())
    assert (found["p_value"], found["outlier"], found["rate"]) == ([None, None], [None, None], None)


def test_a_feature_is_added_as_the_library_adds_it(labeled: Any, digit_run: Run) -> None:
    z = digit_run.latent.codes[:3]
    found = labeled.post("/api/edit", json={"z": z.tolist(), "add": ["7"], "remove": ["1"], "strength": 0.5}).json()
    wanted = edit_of(digit_run, ("7",), ("1",)).apply(z, 0.5)
    np.testing.assert_allclose(found["z"], wanted, rtol=1e-5, atol=1e-6)
    assert [pixels(u).tolist() for u in found["images"]] == digit_run.model.decode(wanted)[:, 0].tolist()


def test_each_feature_has_a_strength_of_its_own(labeled: Any, digit_run: Run) -> None:
    z = digit_run.latent.codes[:1]
    found = labeled.post("/api/edit", json={"z": z.tolist(), "features": {"7": 2.0, "3": -1.0, "1": 0.0}}).json()
    steps = {name: edit_of(digit_run, (name,)).apply(z) - z for name in ("7", "3")}
    np.testing.assert_allclose(found["z"], z + 2 * steps["7"] - steps["3"], rtol=1e-4, atol=1e-5)


def test_new_samples_are_those_of_the_library(labeled: Any, digit_run: Run) -> None:
    given = {"n": 5, "of": "7", "seed": 3, "temperature": 0.5, "density": "gaussian"}
    found = labeled.post("/api/sample", json=given | {"form": "numbers"}).json()
    wanted = draw_samples(digit_run, 5, density="gaussian", of="7", seed=3, temperature=0.5)
    assert found["x"] == wanted.x.tolist()
    np.testing.assert_allclose(found["z"], wanted.z, rtol=1e-6)
    assert labeled.post("/api/sample", json=given | {"seed": 4, "form": "numbers"}).json()["x"] != found["x"]


def test_a_row_of_a_table_is_cleaned_and_measured_without_decibels(tmp_path: Path) -> None:
    rows = tiny.table(80)
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c,d,e,f", comments="")
    run = isthmus.train(tmp_path / "rows.csv", noise="gaussian:0.5", out=tmp_path / "run", **tiny.FAST)
    found = client(app_of(run.path)).post("/api/denoise", json={"x": rows[:2].tolist(), "noise": "gaussian:0.5"}).json()
    spread = run.model.preprocess.to_x(torch.from_numpy(rows[:2])).numpy()
    noisy = run.model.preprocess.to_x(torch.tensor(found["noisy"])).numpy()
    assert found["noisy_mse"] == pytest.approx(np.square(noisy - spread).mean(1).tolist(), rel=1e-3)
    assert sorted(found) == ["mse", "n", "noisy", "noisy_mse", "x"]


ROUTES = ("encode", "decode", "reconstruct", "denoise", "score", "sample", "edit", "walk")


@pytest.mark.parametrize("name", ROUTES)
def test_the_example_of_each_route_is_a_request_that_it_takes(asked: Any, labeled: Any, name: str) -> None:
    app = asked if name == "denoise" else labeled
    described = app.get("/api/openapi.json").json()["paths"][f"/api/{name}"]["post"]
    body = described["requestBody"]["content"]["application/json"]
    assert body["schema"]["additionalProperties"] is False
    assert set(body["example"]) <= set(body["schema"]["properties"])
    example = {key: _of_this_model(key, value) for key, value in body["example"].items()}
    answer = app.post(f"/api/{name}", json=example)
    assert answer.status_code == 200, answer.text
    shown = described["responses"]["200"]["content"]["application/json"]["example"]
    assert set(shown) == set(answer.json())


def _of_this_model(key: str, value: Any) -> Any:
    """An example's codes of two numbers, in this model's length."""
    if key in {"a", "b"}:
        return value * 6
    return [code * 6 for code in value] if key == "z" else value


def test_every_route_of_the_api_has_been_tried(labeled: Any) -> None:
    paths = labeled.get("/api/openapi.json").json()["paths"]
    told = {path.rpartition("/")[2] for path, methods in paths.items() if "post" in methods}
    assert told == {
        *ROUTES,
        "pause",
        "go-on",
        "finish",
        "photograph",
    }  # the others have tests elsewhere


def test_examples_of_single_fields_fit_them(labeled: Any) -> None:
    tried = 0
    for kind in (CodesBody, SampleBody, EditBody, DenoiseBody, SamplesBody, InterpolationBody):
        for name, field in kind.model_fields.items():
            for example in field.examples or []:
                assert TypeAdapter(field.rebuild_annotation()).validate_python(example) == example, (kind, name)
                tried += 1
    assert tried == 2


def test_fault_87_a_run_that_is_trained_on_meanwhile_is_opened_anew(tmp_path: Path) -> None:
    rows = tiny.table(200)
    isthmus.train(_csv(tmp_path, rows), out=tmp_path / "run", **tiny.FAST | {"epochs": 1, "device": "cpu"})
    asked, body = client(app_of(tmp_path / "run")), {"x": rows[:5].tolist()}
    before = asked.post("/api/encode", json=body).json()["z"]
    assert asked.get("/api/map?method=pca").json()["points"]
    isthmus.resume(tmp_path / "run", epochs=21, show=False)
    fresh = Run(tmp_path / "run")
    found = np.array(asked.post("/api/encode", json=body).json()["z"])
    np.testing.assert_allclose(found, fresh.encode(rows[:5]), rtol=1e-6)  # JSON gives float32 all their digits
    assert np.abs(found - before).max() > 0.1
    np.testing.assert_allclose(asked.post("/api/score", json=body).json()["score"], fresh.score(rows[:5]).score)
    again = client(app_of(tmp_path / "run")).get("/api/map?method=pca").json()
    assert asked.get("/api/map?method=pca").json() == again  # no map of the old codes


def _csv(folder: Path, rows: np.ndarray) -> Path:
    np.savetxt(folder / "rows.csv", rows, delimiter=",", header="a,b,c,d,e,f", comments="")
    return folder / "rows.csv"


@pytest.mark.parametrize(
    ("p", "outlier", "good", "level", "words"),
    [
        (0.9, False, True, "pass", "Normal: like most images"),
        (0.3, False, True, "pass", "Within the usual range: 70 of 100 normal images are less unusual."),
        (0.05, False, True, "", "Unusual, but not an outlier: 95 of 100 normal images"),
        (0.01, True, True, "warn", "An outlier: more unusual than nearly all normal images"),
        (0.9, False, False, "", "10 of 100 normal images are less unusual, but this says little"),
        (0.01, True, False, "warn", "An outlier: more unusual than nearly all normal images"),
        (None, False, True, "", "No data was held out"),
    ],
)
def test_what_a_score_means_is_graded_by_its_p_value_and_by_the_model(
    p: float | None, outlier: bool, good: bool, level: str, words: str
) -> None:
    found = graded(p, outlier, "images", good=good)
    assert found[0] == level
    assert found[1].startswith(words)


def test_a_model_that_fails_its_verdicts_calls_nothing_usual(asked: Any, denoiser: Run, digits: Digits) -> None:
    found = asked.post("/api/score", json={"x": digits.x[200:230].tolist()}).json()
    failed = any(v["level"] == "fail" for v in denoiser.metrics["verdicts"])
    assert failed  # three short epochs
    assert "pass" not in found["level"]
    assert not any(said.startswith(("As usual", "Within")) for said in found["said"])
