"""A typical table with names, counts, times and gaps: odd rows, filled gaps, edited rows.

python examples/orders.py                draws 400 orders
"""

from pathlib import Path

import numpy as np
import polars as pl

import isthmus

PRICES = {"tea": 2.0, "milk": 5.0, "rum": 9.0}


def draw_orders(path: Path, n: int = 400) -> Path:
    """Orders whose price depends on drink and count; every ninth price is missing, and order 40 costs too much."""
    rng = np.random.default_rng(0)
    drinks, counts = rng.choice([*PRICES], n), rng.integers(1, 6, n)
    price = np.array([PRICES[drink] for drink in drinks]) * counts + rng.normal(0, 0.1, n)
    price[40] += 30
    days = [f"2024-{1 + i // 28 % 12:02}-{1 + i % 28:02}" for i in range(n)]
    frame = pl.DataFrame({"day": days, "drink": drinks, "count": counts, "price": price.round(2)})
    gaps = pl.Series(np.arange(n) % 9 == 0)
    frame.with_columns(price=pl.when(gaps).then(None).otherwise(pl.col("price"))).write_csv(path)
    return path


table = draw_orders(Path("orders.csv"))
run = isthmus.train(table, epochs=60, out="runs/orders", show=False)
frame = pl.read_csv(table)

score = run.score(frame).score
print(f"strangest: row {int(score.argmax())}, {frame.row(int(score.argmax()))}")

full = run.impute(frame)
print(f"gaps: {frame['price'].null_count()} before, {full['price'].null_count()} after")
for drink, price in PRICES.items():
    rows = frame["price"].is_null() & (frame["drink"] == drink)
    mean = (full.filter(rows)["price"] / full.filter(rows)["count"]).mean()
    print(f"a filled {drink} costs {mean:.2f}, truly {price:.2f}")

milk = full.filter(pl.col("drink") == "milk").head(5)
edited = run.edit(milk, add="drink=rum", strength=2.0)
prices = [f"{rows['price'].mean():.1f}" for rows in (milk, edited)]
print(f"milk edited towards rum: {edited['drink'].to_list()}, price {' -> '.join(prices)}")
