"""Raw values of columns of several kinds to network input and back."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from isthmus.data.batching.encoding import Encoding
from isthmus.data.batching.encoding_fit import fit_encoding
from isthmus.data.schema import Schema
from isthmus.data.tables.cell_conversion import to_cells, to_raw, to_texts
from isthmus.data.tables.cells import PLAIN
from isthmus.data.tables.kind_finding import find_schema

N = 300
RNG = np.random.default_rng(0)


def cells() -> pl.DataFrame:
    """A column of every kind, each with gaps."""
    hours = RNG.integers(0, 24 * 800, N)
    moments = pl.Series(hours * 3_600_000_000 + 1_700_000_000_000_000).cast(pl.Datetime("us"))
    columns = {
        "number": [f"{v:.2f}" for v in RNG.normal(5, 20, N)],
        "heavy": [f"{v:.3f}" for v in RNG.standard_cauchy(N) * 1e3],
        "count": [str(v) for v in RNG.poisson(3, N)],
        "views": [str(int(v)) for v in RNG.lognormal(9, 2, N)],
        "paid": RNG.choice(["Yes", "no"], N).tolist(),
        "drink": RNG.choice(["tea", "=coffee", "-milk", "@x"], N).tolist(),
        "moment": moments.dt.strftime("%d.%m.%Y %H:%M").to_list(),
        "day": moments.dt.strftime("%Y-%m-%d").to_list(),
        "clock": moments.dt.strftime("%H:%M").to_list(),
        "zoned": moments.dt.strftime("%Y-%m-%dT%H:%M:%S+02:00").to_list(),
    }
    frame = pl.DataFrame(columns)
    gaps = RNG.random(frame.shape) < 0.05
    return frame.select(pl.when(pl.Series(gaps[:, j])).then(pl.lit("")).otherwise(pl.col(n)).alias(n)
                        for j, n in enumerate(frame.columns))  # fmt: skip


CELLS = cells()
SCHEMA = find_schema(CELLS, PLAIN, {})
RAW = to_raw(CELLS, SCHEMA, PLAIN).values


@pytest.mark.parametrize("scale", ["auto", "quantile", "standard", "minmax", "none"])
def test_every_kind_comes_back_as_it_was_written(scale: str) -> None:
    encoding = fit_encoding(RAW, SCHEMA, scale)
    x = encoding.to_x(torch.from_numpy(RAW))
    assert x.shape == (N, encoding.size)
    assert bool(x.isfinite().all())
    back = encoding.to_raw(x).numpy()
    loose = [SCHEMA.names.index("views"), SCHEMA.names.index("heavy")]  # float32 has seven digits
    for k, column in enumerate(SCHEMA.modeled):
        if k in loose:
            np.testing.assert_allclose(back[:, k], RAW[:, k], rtol=1e-4, atol=0.05)
        elif column.kind in {"number", "count"}:
            np.testing.assert_array_equal(back[:, k], RAW[:, k])
        else:
            assert to_texts(back[:, k], column) == CELLS[column.name].to_list()


def test_kinds_are_those_that_were_made() -> None:
    kinds = {column.name: column.kind for column in SCHEMA.columns}
    assert kinds == {"number": "number", "heavy": "number", "count": "count", "views": "count", "paid": "yes-no",
                     "drink": "category", **dict.fromkeys(("moment", "day", "clock", "zoned"), "time")}  # fmt: skip
    written = to_cells(RAW[:3], SCHEMA)
    assert [("" if v is None else str(v)) for v in written["drink"]] == CELLS["drink"][:3].to_list()


def test_numbers_are_standardized_and_heavy_tails_go_by_quantiles() -> None:
    encoding = fit_encoding(RAW, SCHEMA, "auto")
    x = encoding.to_x(torch.from_numpy(RAW)).double().numpy()
    first = encoding.places[0]
    known = ~np.isnan(RAW[:, 0])
    np.testing.assert_allclose([x[known, first.start].mean(), x[known, first.start].std()], [0, 1], atol=1e-6)
    assert not encoding.blocks[0].knots
    assert encoding.blocks[1].knots
    heavy = x[~np.isnan(RAW[:, 1]), encoding.places[1].start]
    quartiles = np.quantile(heavy, (0.25, 0.5, 0.75))
    np.testing.assert_allclose(quartiles, [-0.674, 0, 0.674], atol=0.1)  # those of a normal column
    order = np.argsort(RAW[~np.isnan(RAW[:, 1]), 1])
    assert (np.diff(heavy[order]) >= 0).all()


def test_gaps_are_flagged_hidden_and_not_compared() -> None:
    encoding = fit_encoding(RAW, SCHEMA, "auto")
    x = encoding.to_x(torch.from_numpy(RAW))
    np.testing.assert_array_equal(encoding.missing(x).numpy(), np.isnan(RAW))
    columns = torch.zeros(N, len(SCHEMA.modeled), dtype=torch.bool)
    columns[:, 2] = True
    hidden = encoding.hidden(x, columns)
    assert bool(encoding.missing(hidden)[:, 2].all())
    others = [k for k in range(len(SCHEMA.modeled)) if k != 2]
    np.testing.assert_array_equal(encoding.missing(hidden)[:, others].numpy(), np.isnan(RAW[:, others]))
    made = encoding.known_only(x, torch.full_like(x, 9.0))
    of_gap = encoding.missing(x)[:, torch.tensor(encoding.column_of)]
    assert torch.equal(made[of_gap], x[of_gap])
    assert bool((made[~of_gap] == 9).all())


def test_levels_without_a_name_are_no_answer_but_stay_what_was_given() -> None:
    encoding = fit_encoding(RAW, SCHEMA, "auto")
    k = SCHEMA.names.index("drink")
    raw = RAW[:2].copy()
    raw[:, k] = len(SCHEMA.modeled[k].levels)
    x = encoding.to_x(torch.from_numpy(raw))
    np.testing.assert_array_equal(encoding.to_raw(x)[:, k].numpy(), raw[:, k])
    assert to_cells(raw, SCHEMA)["drink"] == ["(other)", "(other)"]


def test_both_survive_json() -> None:
    encoding = fit_encoding(RAW, SCHEMA, "quantile")
    assert Encoding.from_dict(json.loads(json.dumps(encoding.as_dict()))) == encoding
    assert Schema.from_dict(json.loads(json.dumps(SCHEMA.as_dict()))) == SCHEMA
    damaged = json.loads(json.dumps(encoding.as_dict()))
    damaged["blocks"][0]["scale"] = 0.0
    with pytest.raises(ValueError, match="not a positive number"):
        Encoding.from_dict(damaged)


def test_evened_columns_vary_by_about_one_each() -> None:
    """A time with cycles has as many values as it has, and counts as one column."""
    encoding = fit_encoding(RAW, SCHEMA, "auto")
    x = encoding.to_x(torch.from_numpy(RAW))
    evened = encoding.evened(x)
    for column, at, block in zip(SCHEMA.modeled, encoding.places, encoding.blocks, strict=True):
        values = slice(at.start, at.start + block.n_values)
        total = float(evened[:, values].double().var(0, correction=0).sum())
        assert total == pytest.approx(float(x[:, values].double().var(0, correction=0).sum()) / (1 + len(block.cycles)))
        if column.kind == "time":
            assert 0.6 < total < 1.4  # cycles of times that are spread over the day, week and year: 1/2 a value
