"""Over twenty trainings with one planted fault each, and ten without: their data, and the verdict that must result.

`python tests/planted.py` trains them all and prints the tables of docs/verdicts.md.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image
from sklearn.datasets import load_digits, load_iris

import isthmus
from isthmus.api import Run


class Planted(NamedTuple):
    """A training: `make` writes the data into a folder and returns `train`'s source and settings.

    `found` is the id of the verdict that must be the cause, or words of a note; empty for a healthy run. `or_cause` is
    another correct one, if rounding decides between the two.
    """

    name: str
    make: Callable[[Path], tuple[Any, dict[str, Any]]]
    found: str = ""
    or_cause: str = ""


class Heard(NamedTuple):
    """The verdicts and notes of a training."""

    run: Run
    verdicts: list[dict[str, str]]
    notes: list[str]

    @property
    def alarms(self) -> list[dict[str, str]]:
        return [v for v in self.verdicts if v["level"] != "pass"]

    @property
    def cause(self) -> dict[str, str]:
        """The only alarm with a suggestion, or the first alarm."""
        return next((v for v in self.alarms if "try" in v), self.alarms[0] if self.alarms else {"id": "", "text": ""})


def trained(planted: Planted, folder: Path) -> Heard:
    """Trains in `folder`, silently, on one thread."""
    source, settings = planted.make(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = isthmus.train(source, out=folder / "run", **QUICK | settings)
    return Heard(run, run.metrics["verdicts"], list(run.record.get("said", [])))


QUICK: dict[str, Any] = {"hidden": [64], "epochs": 40, "threads": 1, "device": "cpu", "show": False}
SMALL_DIGITS = load_digits().images.astype(np.float32)[:, None] / 16  # (1797, 1, 8, 8), scikit-learn's


def saved(x: np.ndarray, path: Path) -> str:
    np.save(path, x)
    return str(path)


def table(path: Path, x: np.ndarray, **columns: Any) -> str:
    names = {f"c{i}": x[:, i] for i in range(x.shape[1])}
    pl.DataFrame(names | columns).write_csv(path)
    return str(path)


def rows(n: int = 600, seed: int = 0, D: int = 8) -> np.ndarray:
    """A clean table: D columns, four of which almost determine the others."""
    rng, mixing = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(4, D))
    return rng.normal(size=(n, 4)) @ mixing + 0.3 * rng.normal(size=(n, D))


def curved(n: int = 1000, seed: int = 0, D: int = 12) -> np.ndarray:
    """A clean table whose D columns are nonlinear functions of three numbers, which no linear code can represent."""
    rng, mixing = np.random.default_rng(seed), np.random.default_rng(99)
    hidden = rng.uniform(-1, 1, (n, 3))
    waves = np.sin(2.5 * hidden @ mixing.normal(size=(3, D)) + mixing.uniform(0, 6, D))
    return waves + 0.02 * rng.normal(size=(n, D))


def _curved(n: int = 1000, seed: int = 0, D: int = 12, **settings: Any) -> Callable[[Path], tuple[Any, dict]]:
    return lambda folder: (table(folder / "x.csv", curved(n, seed, D)), {"z_size": 3, "epochs": 150} | settings)


def of_digits(change: Callable[[np.ndarray], np.ndarray], **settings: Any) -> Callable[[Path], tuple[Any, dict]]:
    return lambda folder: (saved(change(SMALL_DIGITS[:800]), folder / "x.npy"), {"z_size": 8} | settings)


def _table(change: Callable[[np.ndarray], np.ndarray], **settings: Any) -> Callable[[Path], tuple[Any, dict]]:
    return lambda folder: (table(folder / "x.csv", change(rows())), {"z_size": 4} | settings)


def _tested(test: np.ndarray) -> Callable[[Path], tuple[Any, dict]]:
    def make(folder: Path) -> tuple[Any, dict]:
        write = saved if test.ndim == 4 else table
        if test.ndim == 4:
            source, other = saved(SMALL_DIGITS[:800], folder / "x.npy"), saved(test, folder / "test.npy")
        else:
            source, other = table(folder / "x.csv", rows()), table(folder / "test.csv", test)
        return source, {"z_size": 8 if write is saved else 4, "test": other}

    return make


def _one_value(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[17, 2] = 1e6
    return x


def _some_odd(x: np.ndarray) -> np.ndarray:
    """Ten odd rows: each has values of different rows."""
    x = x.copy()
    x[:10] = 3 * np.random.default_rng(5).permuted(x[:10], axis=0)
    return x


def _classes(counts: dict[int, int], test: bool = False) -> Callable[[Path], tuple[Any, dict]]:
    def make(folder: Path) -> tuple[Any, dict]:
        data, target = load_digits(return_X_y=True)
        taken = np.concatenate([np.flatnonzero(target == c)[:n] for c, n in counts.items()])
        source = table(folder / "x.csv", data[taken] / 16, label=target[taken])
        settings: dict[str, Any] = {"label": "label", "z_size": 8, "shape": "table"}
        if test:
            rest = np.concatenate([np.flatnonzero(target == c)[100:130] for c in range(3)])
            settings["test"] = table(folder / "t.csv", data[rest] / 16, label=target[rest])
        return source, settings

    return make


def _iris(folder: Path) -> tuple[Any, dict]:
    x, y = load_iris(return_X_y=True)
    return table(folder / "x.csv", x, species=y), {"z_size": 2}


def _counted(folder: Path) -> tuple[Any, dict]:
    return table(folder / "x.csv", rows(), number=np.random.default_rng(0).permutation(600) + 1000), {"z_size": 4}


def _exact(folder: Path) -> tuple[Any, dict]:
    rng = np.random.default_rng(0)
    return table(folder / "x.csv", rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8))), {"z_size": 4}


def _copies(folder: Path) -> tuple[Any, dict]:
    x = rows()
    return table(folder / "x.csv", x), {"z_size": 4, "test": table(folder / "t.csv", x[:100])}


def _equal(folder: Path) -> tuple[Any, dict]:
    return table(folder / "x.csv", np.repeat(rows(1), 200, 0)), {"z_size": 4}


def _dim(x: np.ndarray) -> np.ndarray:
    return 0.42 + 0.05 * x


def _noise(folder: Path) -> tuple[Any, dict]:
    return table(folder / "x.csv", np.random.default_rng(0).normal(size=(600, 20))), {"z_size": 3}


def _few_digits(folder: Path) -> tuple[Any, dict]:
    source = saved(SMALL_DIGITS[:80], folder / "x.npy")
    return source, {"z_size": 8, "epochs": 300, "augment": "none", "test": saved(SMALL_DIGITS[800:], folder / "t.npy")}


FAULTS = (
    Planted("images divided by 255 twice", of_digits(lambda x: x / 255), "value-range"),
    Planted("float images between 0.42 and 0.47", of_digits(_dim), "value-range"),
    Planted("test images inverted", _tested(1 - SMALL_DIGITS[800:1100]), "test-unlike-training"),
    Planted("a test table in units 1,000 times as small", _tested(1000 * rows(200, 1)), "test-unlike-training"),
    Planted("one value of a column is 1,000,000", _table(_one_value), "extreme-values"),
    Planted("one test row is 1,000,000", _tested(_one_value(rows(200, 1))), "one-test-sample"),
    Planted("ten of 200 test rows of another kind", _tested(_some_odd(rows(200, 1))), "few-test-samples"),
    Planted("a class of the test set that training lacks", _classes({0: 100, 1: 100}, test=True), "classes"),
    Planted("classes of 170 and 5", _classes({0: 170, 1: 5}), "classes"),
    Planted("test rows that were trained on", _copies, "train-test-overlap"),
    Planted("all rows are equal", _equal, "nothing-to-learn"),
    Planted("20 rows", lambda folder: (table(folder / "x.csv", rows(20)), {"z_size": 4}), "too-little-data"),
    Planted("a label of three classes left in", _iris, "--label species"),
    Planted("a column that counts the rows", _counted, "seems to number the rows"),
    Planted("a code of one number", of_digits(lambda x: x, z_size=1), "code-size"),
    Planted("20 columns of pure noise", _noise, "code-size"),
    Planted("a code as wide as the row", _table(lambda x: x, z_size=8), "beats-pca"),
    Planted("8 columns of rank 3, a code of 4", _exact, "beats-pca"),
    Planted("a learning rate of 0.000001", of_digits(lambda x: x, lr=1e-6, init="orthogonal"), "learning-rate"),
    Planted("a learning rate of 3", of_digits(lambda x: x, lr=3.0), "learning-rate"),
    Planted("a KL that counts 50 times", of_digits(lambda x: x, recipe="vae", weights={"kl": 50.0}), "penalty-weight"),
    Planted(
        "squared error under a VAE", of_digits(lambda x: x, recipe="vae", likelihood="gaussian"), "fixed-variance"
    ),
    Planted(
        "a VAE whose code explodes",
        _table(lambda x: x, recipe="vae", weights={"kl": 0.0}, lr=0.5),
        "exploded-kl",
        or_cause="learning-rate",
    ),
    Planted("300 epochs on 64 digits", _few_digits, "overfitting"),
    Planted("one epoch", of_digits(lambda x: x, epochs=1, init="orthogonal"), "explains-little"),
    Planted("a denoiser of two epochs", of_digits(lambda x: x, epochs=2, noise="gaussian:0.5"), "beats-mean"),
)  # fmt: skip


def _patches(seed: int) -> Callable[[Path], tuple[Any, dict]]:
    """Color patches: an edge in any direction between two colors, which linear codes represent badly."""

    def make(folder: Path) -> tuple[Any, dict]:
        rng = np.random.default_rng(seed)
        across = np.linspace(-1, 1, 16)
        angle, place = rng.uniform(0, 2 * np.pi, (2, 1000, 1, 1))
        edge = np.cos(angle) * across + np.sin(angle) * across[:, None] - 0.6 * np.sin(place)
        colors = rng.uniform(0.1, 0.9, (2, 1000, 3, 1, 1))
        x = colors[0] + (colors[1] - colors[0]) / (1 + np.exp(-6 * edge[:, None]))
        (folder / "photos").mkdir()
        for i, each in enumerate((255 * x).astype(np.uint8)):
            Image.fromarray(each.transpose(1, 2, 0)).save(folder / "photos" / f"{i:04}.png")
        return str(folder / "photos"), {"hidden": [256], "network": "mlp", "z_size": 12, "epochs": 100}

    return make


HEALTHY = (
    Planted("digits of 8 x 8", of_digits(lambda x: x, z_size=16, epochs=300)),
    Planted("digits of 28 x 28", lambda folder: ("mnist-2k", {"hidden": [256, 128], "epochs": 60})),
    Planted("color patches", _patches(0)),
    Planted("color patches, others", _patches(1)),
    Planted("a clean table of 12 columns", _curved()),
    Planted("a clean table of 20 columns", _curved(1500, 1, 20)),
    Planted("a VAE of digits", lambda folder: ("mnist-2k", {"hidden": [256, 128], "epochs": 60, "recipe": "vae"})),
    Planted("a VAE of a table", _curved(recipe="vae", epochs=150)),
    Planted("a denoiser of digits", of_digits(lambda x: x, z_size=32, noise="gaussian:0.5", epochs=60)),
    Planted("a denoiser of a table", _curved(1000, 1, 20, noise="gaussian:0.3", z_size=8, hidden=[256], epochs=320)),
)  # fmt: skip


def main() -> None:
    """Prints the verdicts and notes of every training; names in the arguments select some."""
    for planted in (*FAULTS, *HEALTHY):
        if sys.argv[1:] and not any(word in planted.name for word in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            heard = trained(planted, Path(folder))
            print(f"## {planted.name}  [{planted.found}]", flush=True)
            for note in heard.notes:
                print("   note:", note.replace(folder, "")[:200])
            for v in heard.alarms:
                told = f"   {v['level']} {v['id']}: {v['text']}\n      try: {v.get('try', '-')}"
                print(told.replace(folder, ""))


if __name__ == "__main__":
    main()
