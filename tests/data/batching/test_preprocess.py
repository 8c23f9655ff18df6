from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import tiny
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.batching.value_checks import refuse_gaps, refuse_out_of_range
from isthmus.data.ranges import refuse_other_scale
from isthmus.data.samples import Samples
from isthmus.errors import DataError


def images(dtype: type, C: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype is np.float32:
        return rng.random((20, C, 5, 4), dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (20, C, 5, 4), dtype=dtype, endpoint=True)


def fitted(x: np.ndarray, scale: str = "auto", range: str = "data", **about: object) -> Preprocess:
    return fit_preprocess(Samples(x, "t", **about), scale, range=range)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65_535), (np.float32, 1)])
def test_images_are_brought_to_zero_to_one_by_the_range_of_their_type(dtype: type, full: int) -> None:
    raw = images(dtype)
    p = fitted(raw, range="type")
    x = p.to_x(torch.from_numpy(raw))
    assert x.dtype == torch.float32
    assert x.numpy() == pytest.approx(raw.astype(np.float64) / full, abs=1e-7)  # float32
    assert (p.range, p.offset, p.unit, p.size) == ((0, 1), None, "pixel", 20)


@pytest.mark.parametrize("C", [1, 3])
def test_counts_are_brought_to_zero_to_one_by_the_range_in_use_and_pass_beyond_it(C: int) -> None:
    raw = np.random.default_rng(0).integers(110, 4096, (6, C, 8, 8)).astype(np.uint16)
    raw[0, 0, 0, :2] = 110, 4095
    p = fitted(raw)
    assert (p.range, p.limits, p.ends, p.count) == ((0, 1), None, pytest.approx((110, 4095)), pytest.approx(1 / 3985))
    beyond = torch.from_numpy(np.array([[[[10, 110, 4095, 5000]]] * C], np.float32))
    expected = (beyond.numpy() - 110) / 3985
    np.testing.assert_allclose(p.to_x(beyond).numpy(), expected, rtol=1e-5)  # float32
    assert torch.equal(p.to_raw(p.to_x(torch.from_numpy(raw)), torch.uint16), torch.from_numpy(raw))


def test_what_cannot_be_counts_is_refused() -> None:
    p = fitted((np.arange(64).reshape(1, 1, 8, 8) * 60 + 110).astype(np.uint16))
    with pytest.raises(DataError, match=r"the input consists of bytes, 0 to 255; .* black at 110 and white at"):
        refuse_other_scale(p.ends, "uint8", 0, 255)
    with pytest.raises(DataError, match=r"the input lies between 0 and 0\.9") as caught:
        refuse_other_scale(p.ends, "float32", 0, 0.9)
    assert caught.value.fix == "pass the raw values; if 0 is black and 1 is white, pass x * 3780 + 110"
    with pytest.raises(DataError) as caught:
        refuse_other_scale((-1000.0, 700.0), "float32", 0, 0.9)
    assert str(caught.value.fix).endswith("x * 1700 - 1000")
    for dtype, low, high in (("float32", 100, 4000), ("int16", 0, 200), ("uint16", 0, 0)):
        assert refuse_other_scale(p.ends, dtype, low, high) is None


@pytest.mark.parametrize("scale", ["auto", "none", "minmax", "standard"])
@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images_come_back_as_they_were(dtype: type, C: int, scale: str) -> None:
    raw = torch.from_numpy(images(dtype, C))
    p = fitted(raw.numpy(), scale)
    back = p.to_raw(p.to_x(raw), raw.dtype)
    assert back.dtype == raw.dtype
    if dtype is np.float32:
        assert back.numpy() == pytest.approx(raw.numpy(), abs=1e-6)
    else:
        assert torch.equal(back, raw)


@pytest.mark.parametrize(("dtype", "full"), [(torch.uint8, 255), (torch.uint16, 65_535)])
def test_white_is_one_exactly_or_a_likelihood_would_refuse_it(dtype: torch.dtype, full: int) -> None:
    x = fitted(images(np.uint8)).to_x(torch.arange(full + 1).to(dtype))
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)


def test_bytes_beyond_the_range_are_cut_not_wrapped() -> None:
    p = fitted(images(np.uint8))
    x = torch.tensor([-0.2, 0.0, 0.499, 0.501, 1.0, 1.7]).reshape(6, 1, 1, 1).expand(6, 1, 5, 4)
    assert p.to_raw(x, torch.uint8)[:, 0, 0, 0].tolist() == [0, 0, 127, 128, 255, 255]


def test_input_is_left_as_it_was() -> None:
    for dtype in (np.uint8, np.float32):
        raw = torch.from_numpy(images(dtype))
        before = raw.clone()
        for scale in ("auto", "standard", "minmax"):
            fitted(raw.numpy(), scale).to_x(raw)
        assert torch.equal(raw, before)


def test_every_type_of_image_finds_its_own_range() -> None:
    p = fitted(images(np.uint8))
    halves = [
        torch.full((1, 1, 5, 4), v, dtype=d)
        for v, d in ((51, torch.uint8), (13_107, torch.uint16), (0.2, torch.float32))
    ]
    for raw in halves:
        assert float(p.to_x(raw)[0, 0, 0, 0]) == pytest.approx(0.2, abs=1e-7)


def test_tables_are_standardized_as_by_scikit_learn() -> None:
    table = 100 + 20 * tiny.table(80)
    p = fitted(table)
    expected = StandardScaler().fit_transform(table.astype(np.float64))
    assert p.to_x(torch.from_numpy(table)).numpy() == pytest.approx(expected, abs=1e-5)  # float32
    assert p.to_raw(p.to_x(torch.from_numpy(table))).numpy() == pytest.approx(table, rel=1e-5)
    assert (p.range, p.is_image, p.unit) == (None, False, "value")


def test_minmax_equals_scikit_learn_and_cuts_what_lies_beyond() -> None:
    table = tiny.table(80)
    p = fitted(table, "minmax")
    expected = MinMaxScaler().fit_transform(table.astype(np.float64))
    assert p.to_x(torch.from_numpy(table)).numpy() == pytest.approx(expected, abs=1e-6)
    assert p.range == (0, 1)
    assert p.to_x(torch.full((1, 6), 1e6)).tolist() == [[1] * 6]


def test_colors_keep_their_proportions_under_minmax() -> None:
    raw = np.stack([np.full((2, 2), v, np.float32) for v in (0.2, 0.4, 0.6)])[None].repeat(2, 0)
    x = fitted(raw, "minmax").to_x(torch.from_numpy(raw))
    assert x[0, :, 0, 0].tolist() == pytest.approx([0, 0.5, 1], abs=1e-6)


def test_standard_images_have_mean_zero_and_deviation_one_in_every_channel() -> None:
    raw = images(np.uint8, C=3)
    x = fitted(raw, "standard").to_x(torch.from_numpy(raw)).double()
    assert x.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-6)
    assert x.std((0, 2, 3), correction=0).tolist() == pytest.approx([1] * 3, rel=1e-6)


@pytest.mark.parametrize("scale", ["auto", "minmax"])
@pytest.mark.parametrize("value", [0.0, 7.0, 16_777_216.1, -1e-20])
def test_fault_23_a_constant_column_is_scaled_by_one(value: float, scale: str) -> None:
    table = tiny.table(50)
    table[:, 2] = value
    x = fitted(table, scale).to_x(torch.from_numpy(table))
    assert bool(x.isfinite().all())
    assert x[:, 2].abs().max() == pytest.approx(0, abs=1e-6)


def test_a_table_as_it_is_stays_as_it_is() -> None:
    table = tiny.table(50)
    p = fitted(table, "none")
    assert torch.equal(p.to_x(torch.from_numpy(table)), torch.from_numpy(table))
    assert p.range is None


def test_preprocessing_survives_json() -> None:
    about = {"columns": ("a", "b\n", "ü", "d", "e", "f"), "label_column": "y", "classes": ("0", "1")}
    for p in (fitted(tiny.table(), **about), fitted(images(np.uint16, 3)), fitted(images(np.uint8), "standard")):
        assert Preprocess.from_dict(json.loads(json.dumps(p.as_dict()))) == p


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 255.0], "the train data has values from 0 to 255, but the bernoulli cost needs 0 to 1"),
        ([-1.0, 1.0], "the train data has values from -1 to 1"),
        ([0.0, float("nan")], "the train data holds NaN or infinite values"),
        ([0.0, float("inf")], "the train data holds NaN or infinite values"),
    ],
)
def test_fault_42_values_outside_of_the_likelihoods_range_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        refuse_out_of_range(torch.tensor(values), (0.0, 1.0), what="the train data", likelihood="bernoulli")


def test_values_within_the_range_or_without_one_pass() -> None:
    for values, allowed in (([0.0, 1.0], (0.0, 1.0)), ([-9.0, 9.0], None), ([], (0.0, 1.0))):
        assert refuse_out_of_range(torch.tensor(values), allowed, what="", likelihood="") is None


def gappy(n: int = 200, D: int = 5) -> np.ndarray:
    """Skewed columns, so that medians are no means, with a tenth of the values missing."""
    rng = np.random.default_rng(3)
    x = rng.lognormal(1, 1, (n, D)).astype(np.float32)
    x[rng.random((n, D)) < 0.1] = np.nan
    return x


@pytest.mark.parametrize(("scale", "scaler"), [("auto", StandardScaler()), ("minmax", MinMaxScaler()), ("none", None)])
def test_fault_14_gaps_are_filled_and_scaled_as_scikit_learn_does(scale: str, scaler: object) -> None:
    x, new = np.split(gappy(), [150])
    steps = [SimpleImputer(strategy="median"), *([scaler] if scaler else [])]
    expected = make_pipeline(*steps).fit(x.astype(np.float64)).transform(new.astype(np.float64))
    p = fit_preprocess(Samples(x, "t"), scale)
    found = Preprocess.from_dict(json.loads(json.dumps(p.as_dict()))).to_x(torch.from_numpy(new))
    expected = np.clip(expected, 0, 1) if scale == "minmax" else expected
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)  # float32


def test_fault_89_medians_are_kept_of_every_table_and_of_no_images() -> None:
    x = gappy(5_001, 900)  # more than are looked at at once
    x[:, ::2] = np.nan_to_num(x[:, ::2], nan=3.0)  # half of the columns have no gaps
    found = fit_preprocess(Samples(x, "t"), "auto").fill
    np.testing.assert_array_equal(found, np.nanmedian(x, axis=0))
    assert fit_preprocess(Samples(np.zeros((4, 1, 6, 6), np.float32), "t"), "auto").fill is None


def test_fault_89_no_gap_passes_where_nothing_can_fill_it() -> None:
    raw = torch.tensor([[1.0, torch.nan], [2.0, 3.0]])
    for p in (Preprocess((2,), "float32", (0.0, 0.0), (1.0, 1.0)), Preprocess((2,), "float32")):
        with pytest.raises(DataError, match="1 of 4 values are NaN, and the model has no medians"):
            p.to_x(raw)
    with pytest.raises(DataError, match="t: 1 of 4 values are NaN"):
        refuse_gaps(Samples(raw.numpy(), "t"), "error")
    assert refuse_gaps(Samples(raw.numpy(), "t"), "median") is None


def test_a_column_that_the_training_part_misses_has_no_median() -> None:
    x = gappy()
    x[:, 2] = np.nan
    with pytest.raises(DataError, match='column "c c" is empty in the whole training part') as e:
        fit_preprocess(Samples(x, "t", columns=("a", "b", "c c", "d", "e")), "auto")
    assert e.value.fix == "leave it out with --drop-column 'c c'"


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize(("offset", "spread"), [(1.7e9, 1444), (1.7e9, 1e-3), (-4e15, 50), (5e5, 1e-6)])
def test_fault_90_a_large_offset_is_scaled_as_scikit_learn_does(scale: str, offset: float, spread: float) -> None:
    table = np.column_stack([offset + spread * np.random.default_rng(0).normal(size=500), tiny.table(500)[:, 0]])
    p = fitted(table, scale)
    x = p.to_x(torch.from_numpy(table))
    # Its shares are of values without their offset, since its own sums lose digits beside one.
    expected = {"standard": StandardScaler, "minmax": MinMaxScaler}[scale]().fit_transform(table - [offset, 0])
    ulp = np.spacing(abs(offset)) / spread  # half of one is lost when the offset is added, half in the mean
    assert x.numpy() == pytest.approx(expected, abs=2 * ulp + 1e-6)  # and what float32 has for x itself
    back = p.to_raw(x)
    assert back.dtype == torch.float64
    assert back[:, 0].numpy() == pytest.approx(table[:, 0], abs=1e-6 * spread + 2 * np.spacing(abs(offset)), rel=0)


def test_fault_90_an_array_of_float32_is_no_constant_where_its_values_differ() -> None:
    table = np.column_stack([1.7e9 + 1444 * np.random.default_rng(0).normal(size=500), tiny.table(500)[:, 0]])
    table = table.astype(np.float32)
    x = fitted(table).to_x(torch.from_numpy(table))
    assert x.std(0, correction=0).tolist() == pytest.approx([1, 1], rel=1e-3)
    before = fit_preprocess(Samples(table, "t"), "auto", digits="float32")  # the rule of runs from before
    assert before.scale is not None
    assert before.scale[0] == 1


def test_fault_90_numbers_that_differ_in_the_last_bit_alone_are_a_constant() -> None:
    table = np.column_stack([np.where(np.arange(50) % 2, 0.1 + 0.2, 0.3), tiny.table(50)[:, 0]])
    for x in (table, table.astype(np.float32)):
        assert fitted(x).scale[0] == 1  # type: ignore[index]
