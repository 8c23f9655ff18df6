"""Requests that nobody should send: a 4xx with a sentence, or the right answer, for each kind of model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import DataError
from isthmus.web.limits import Limits
from served import app_of, client, uri

HUGE = 10**400  # JSON and Python know it, no array does
COLUMNS = ["when", "what", "number", "member", "price"]
# Raw values of such a row: seconds, the place of a name, a count, no or yes, a number.
ROW = [1.7e9, 1.0, 3.0, 1.0, 4.5]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table whose columns are of several kinds, trained for a moment."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("mixed")
    lines = [",".join(COLUMNS)]
    for i in range(160):
        what = ("tea", "coffee", "milk")[int(rng.integers(3))]
        day, member = f"2025-{1 + i % 12:02d}-{1 + i % 28:02d}", ("no", "yes")[int(rng.integers(2))]
        lines.append(f"{day},{what},{int(rng.poisson(4))},{member},{rng.normal(5, 2):.2f}")
    (folder / "sales.csv").write_text("\n".join(lines) + "\n")
    return isthmus.train(folder / "sales.csv", out=folder / "run", **tiny.FAST | {"hidden": [16], "z_size": 3})


@pytest.fixture(scope="module")
def asked(mixed: Run) -> Any:
    return client(app_of(mixed.path))


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on images of five bands, which no PNG holds."""
    folder = tmp_path_factory.mktemp("bands")
    x = np.random.default_rng(0).integers(0, 256, (40, 5, 12, 12), dtype=np.uint8)
    np.save(folder / "bands.npy", x)
    return isthmus.train(folder / "bands.npy", out=folder / "run", **tiny.FAST)


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["encode", "reconstruct", "score"])
@pytest.mark.parametrize(("value", "text"), [(HUGE, "more than 308 digits"), (-HUGE, "more than 308 digits")])
def test_fault_117_a_whole_number_that_no_array_holds_is_refused(
    denoiser: Run, asked: Any, path: str, value: int, text: str
) -> None:
    status, message = told(asked.post(f"/api/{path}", json={"x": [[value, *ROW[1:]]]}))
    assert (status, text in message) == (422, True), message
    images = client(app_of(denoiser.path)).post(f"/api/{path}", json={"x": [[value] * 784]})
    assert told(images)[0] == 422


def test_fault_117_in_python_too(mixed: Run) -> None:
    with pytest.raises(DataError, match="whole numbers of more than 308 digits"):
        mixed.encode([[HUGE, 1, 1, 1, 1]])


@pytest.mark.parametrize(("path", "row"), [("reconstruct", [1e38, 1, 1, 1, 1e38]), ("score", [1e38, 1, 1, 1, 1e38])])
def test_fault_117_where_the_network_overflows_no_number_is_made_up(asked: Any, path: str, row: list[float]) -> None:
    status, message = told(asked.post(f"/api/{path}", json={"x": [row]}))
    assert (status, "too far from what the model was trained on" in message) == (422, True), message


def test_fault_117_images_that_overflow_are_no_black_pictures(denoiser: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = client(app_of(denoiser.path))
    loaded = found.app.state.served.loaded()  # type: ignore[attr-defined]
    monkeypatch.setattr(loaded.model, "decode", lambda z: np.full((len(z), 1, 28, 28), np.nan, np.float32))
    answer = found.post("/api/decode", json={"z": [[0.0] * loaded.model.z_size]})
    assert told(answer)[0] == 422


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"x": [[' + b"9" * 5000 + b"]]}", 400, "an integer with more than 4,300 digits"),
        (b"[" * 100_000, 400, "too deep"),
        (b'{"x": ', 400, "not JSON: expecting value, line 1 column 7"),
        (b'{"x": "\xff"}', 400, "it is not encoded in UTF-8"),
        (b"[]", 400, "it is not a JSON object"),
        ('{"\u202e\\u001b[2J": 1}'.encode(), 400, "\\u202e\\x1b[2J: unknown field"),
    ],
)
def test_what_is_no_request_is_told_in_words(asked: Any, body: bytes, status: int, text: str) -> None:
    found = told(asked.post("/api/encode", content=body))
    assert (found[0], text in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (
            1,
            1e6,
            "row 0, column 'what': 1e+06 is not allowed; allowed: 0 to 2 for its categories, and 3",
        ),
        (1, 0.5, "row 0, column 'what': 0.5 is not"),
        (1, -1, "row 0, column 'what': -1 is not"),
        (2, -5, "row 0, column 'number': -5 is not allowed; allowed: whole numbers, 0 or more"),
        (3, 2, "row 0, column 'member': 2 is not allowed; allowed: 0 for no and 1 for yes"),
        (0, 1e300, "row 0, column 'when': 1e+300 is not allowed; allowed: numbers up to 3.4e+38"),
    ],
)
def test_fault_118_raw_numbers_that_no_column_holds_are_refused(
    asked: Any, mixed: Run, place: int, value: float, text: str
) -> None:
    row = [*ROW[:place], value, *ROW[place + 1 :]]
    status, message = told(asked.post("/api/score", json={"x": [row]}))
    assert (status, message.startswith(text)) == (422, True), message
    with pytest.raises(DataError, match=re.escape(text)):
        mixed.encode(np.array([row]))


def test_fault_118_a_gap_goes_in_and_comes_back_as_a_gap(asked: Any, mixed: Run) -> None:
    row = [1.7e9, None, 3.0, None, 4.5]
    found = asked.post("/api/reconstruct", json={"x": [row]}).json()
    assert found["input"] == [row]
    assert found["z"][0] == pytest.approx(mixed.encode(np.array([row], float))[0].tolist(), rel=1e-5)
    assert None not in found["x"][0]  # the network fills them


def test_a_row_is_told_by_its_columns_and_not_by_what_the_network_sees(asked: Any) -> None:
    model = asked.get("/api/model").json()
    assert (model["shape"], model["columns"], model["denoises"]) == ([5], COLUMNS, False)
    answer = asked.post("/api/encode", json={"images": [uri(np.zeros((4, 4), np.uint8))]})
    assert told(answer) == (422, "the model takes rows of 5 numbers, not images.")


def test_images_of_bands_go_to_and_fro_as_numbers(bands: Run) -> None:
    found = client(app_of(bands.path))
    assert found.get("/api/model").json()["fits_png"] is False
    picked = found.get("/api/pick?row=0").json()
    assert np.array(picked["exact"]).shape == (1, 5, 12, 12)
    answer = found.post("/api/encode", json={"x": picked["exact"]}).json()
    assert answer["z"][0] == pytest.approx(bands.encode(np.array(picked["exact"], np.uint8))[0].tolist(), rel=1e-5)
    for fit, status, text in (("auto", 422, "the model takes 5"), ("digit", 400, "takes 5 channels")):
        body = {"images": [uri(np.eye(30, dtype=np.uint8) * 200)], "fit": fit}
        assert text in told(found.post("/api/score", json=body))[1]
        assert found.post("/api/score", json=body).status_code == status


def test_images_of_16_bits_go_to_and_fro_as_numbers(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 65_536, (40, 1, 8, 8)).astype(np.uint16)
    np.save(tmp_path / "deep.npy", x)
    settings: dict[str, Any] = tiny.FAST | {"range": "type"}
    run = isthmus.train(tmp_path / "deep.npy", out=tmp_path / "run", **settings)
    found = client(app_of(run.path))
    picked = found.get("/api/pick?row=0").json()["exact"]
    assert np.max(picked) > 255
    for given in (picked, [[[[7] * 8] * 8]]):  # also where they would pass as bytes
        z = found.post("/api/encode", json={"x": given}).json()["z"]
        np.testing.assert_allclose(z, run.encode(np.array(given, np.uint16)), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/pick?row=9999", 404, "there is no test sample 9999"),
        ("GET", "/api/nothing", 404, "there is no endpoint for GET at this address"),
        ("PUT", "/api/model", 405, "there is no endpoint for PUT at this address"),
        ("GET", "/api/model/", 404, "there is no endpoint for GET at this address"),
        ("GET", "/static/style.css/", 404, "there is no endpoint"),
    ],
)
def test_addresses_that_lead_nowhere_say_so(asked: Any, method: str, path: str, status: int, text: str) -> None:
    found = told(asked.request(method, path, follow_redirects=False))
    assert (found[0], text in found[1]) == (status, True), found


def test_more_is_not_made_of_codes_than_memory_is_for(denoiser: Run) -> None:
    found = client(app_of(denoiser.path, Limits(values_made=784 * 3)))
    z = [[0.0] * denoiser.model.z_size]
    assert found.post("/api/decode", json={"z": z * 3}).json()["n"] == 3
    for path, body in (("decode", {"z": z * 4}), ("sample", {"n": 4})):
        status, message = told(found.post(f"/api/{path}", json=body))
        assert status == 413
        assert message.endswith("4 samples of 784 values; the limit is 3 samples at once.")


def test_a_model_without_noise_says_so_before_noise_is_made(asked: Any) -> None:
    status, message = told(asked.post("/api/denoise", json={"x": [ROW], "noise": "poisson:1e6"}))
    assert (status, "was not trained on noisy input" in message) == (400, True)
