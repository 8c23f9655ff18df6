"""The API answers what the model says: the same numbers as in Python, for JSON and for files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isthmus.running.runs import Run
from served import app_of, client, pixels, png, uri
from tiny import Digits


@pytest.fixture(scope="module")
def asked(denoiser: Run) -> Any:
    return client(app_of(denoiser.path))


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


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("encode", {}, 400, "give samples"),
        ("encode", {"imagez": []}, 400, "imagez"),
        ("encode", {"images": ["http://evil.example/a.png"]}, 422, "not base64"),
        ("encode", {"x": [[1, 2]]}, 422, "the input has shape"),
        ("decode", {"z": [[0.0]]}, 422, "the model takes"),
        ("denoise", {"x": [[0] * 784], "noise": "fog:1"}, 400, "fog"),
        ("edit", {"z": [[0, 0, 0, 0]]}, 400, "nothing is to be added"),
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


def test_the_description_holds_an_example_for_each_route(asked: Any) -> None:
    paths = asked.get("/api/openapi.json").json()["paths"]
    for name in ("encode", "decode", "reconstruct", "denoise", "score", "sample", "edit"):
        body = paths[f"/api/{name}"]["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]
        assert body["schema"]["additionalProperties"] is False
