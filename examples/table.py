"""A table of plain numbers: standardized columns, squared error, reconstruction in the original units."""

from pathlib import Path

import polars as pl
from sklearn.datasets import load_wine

import isthmus

wine = load_wine(as_frame=False)
table = pl.DataFrame(wine.data, schema=list(wine.feature_names)).with_columns(kind=pl.Series(wine.target))
Path("runs").mkdir(exist_ok=True)
table.write_csv("runs/wine.csv")

run = isthmus.train("runs/wine.csv", label="kind", z_size=3, hidden=(32, 16), steps=600, out="runs/wine")
again = run.model.reconstruct(table)
print(again.select("alcohol", "ash", "hue").head(3))
print(f"test MSE {run.metrics['test']['mse']:.3f}, PCA's {run.metrics['baselines']['pca']['mse']:.3f}")
