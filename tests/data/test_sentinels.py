"""Numbers far from all others of their column, such as -999."""

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.sentinels import sentinel
from isthmus.data.tables.reading import read_table

AGES = np.arange(18.0, 94.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*AGES, -999, -999, -999], -999),
        ([*AGES, 9999, 9999, 9999, np.nan], 9999),
        ([*AGES, -999, -999], None),  # two may be mistakes
        ([*AGES, 99, 99, 99], None),  # an age
        ([*AGES, -1000, -1000, -1000], None),  # no nines
        ([5, 5, -999, -999, -999], None),  # of two values either may be meant
        ([np.nan, np.nan], None),
        ([], None),
    ],
)
def test_a_sentinel_is_written_with_nines_and_far_from_all_others(values, expected):
    assert sentinel(np.array(values, np.float64)) == expected


@pytest.mark.parametrize("city", ["", ",Bonn"])
def test_fault_149_a_sentinel_is_told_with_the_option_that_reads_it(tmp_path, city):
    path = tmp_path / "a.csv"
    lines = [f"{-999 if i % 10 == 0 else 20 + i % 50},{i / 7:.3f}{city}\n" for i in range(100)]
    path.write_text(f"the age,b{',city' * bool(city)}\n{''.join(lines)}")
    notes = " ".join(read_table(path, DataConfig()).notes)
    said = "-999 in 10 rows is far from all other values; if it means missing, pass --null-values 'the age=-999'"
    assert said in notes
    found = read_table(path, DataConfig(null_values=("the age=-999",)))
    assert np.isnan(found.x[:, 0]).sum() == 10
