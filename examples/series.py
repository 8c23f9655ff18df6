"""Hourly data of a meter: which hours are unusual, and which values fill the gaps.

python examples/series.py                draws 1,500 hours of load and temperature
python examples/series.py TABLE          with your own table, which has a column of times
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import isthmus


def draw_hours(path: Path, *, odd: bool) -> Path:
    """A load that depends on the hour of the day and the temperature, with a spike, a flat section and ten gaps."""
    rng, hour = np.random.default_rng(int(odd)), np.arange(1500)
    temperature = 15 + 5 * np.sin(2 * np.pi * hour / 24 - 1) + rng.normal(0, 0.5, 1500)
    load = 10 + 3 * np.sin(2 * np.pi * hour / 24) + 0.3 * (temperature - 15) + rng.normal(0, 0.2, 1500)
    if odd:
        load[300] += 4
        load[700:712] = load[700]
    stamps = [datetime(2024, 1, 1) + timedelta(hours=int(i)) for i in hour]
    times = [f"{stamp:%Y-%m-%d %H:%M}" for stamp in stamps]
    frame = pl.DataFrame({"time": times, "load": load, "temperature": temperature})
    gaps = pl.Series(odd & (hour % 150 == 75))
    frame = frame.with_columns(load=pl.when(gaps).then(None).otherwise(pl.col("load").round(2)))
    frame.with_columns(pl.col("temperature").round(1)).write_csv(path)
    return path


if len(sys.argv) > 1:
    train = new = Path(sys.argv[1])
else:
    train, new = draw_hours(Path("hours.csv"), odd=False), draw_hours(Path("new.csv"), odd=True)

# A model for real use needs more epochs: leave out `epochs`.
run = isthmus.train(train, window=24, epochs=40, out="runs/hours", show=False)
for name, numbers in run.metrics["filling"].items():
    print(f"a hidden row, filled by {name}: squared error {numbers['mse']:.3f} of the columns' variance")

table = pl.read_csv(new)
found = run.score(table)
for row in np.argsort(-found.score)[:5].tolist():
    print(f"strange: {table.row(row)}, score {found.score[row]:.1f}, p {found.p_value[row]:.3f}")

full = run.impute(table)
print(f"gaps: {sum(table.null_count().row(0))} before, {sum(full.null_count().row(0))} after")
print(f"the same, with a picture: isthmus score {run.path} {new} -o scores.csv --picture score.png")
