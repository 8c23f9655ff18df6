"""Reads and checks the files of a run folder: record, metrics and history."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.errors import IsthmusError, ModelFileError
from isthmus.system import checksums, files, regular
from isthmus.system.places import RECORD
from isthmus.wording import counted

CONFIG, METRICS, HISTORY, MODEL = "config.toml", "metrics.json", "history.csv", "model"
JUDGED = ("data", "test", "baselines", "verdicts")  # keys of metrics.json that every view of a run needs
WRONG = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # raised by nulls and wrong types


def read_record(path: Path) -> dict[str, Any]:
    """`run.json`. Raises: ModelFileError."""
    return _object(path)


def read_metrics(path: Path) -> dict[str, Any]:
    """`metrics.json`, with the blocks that every command needs. Raises: ModelFileError."""
    metrics = _object(path)
    try:
        if missing := [key for key in JUDGED if key not in metrics]:
            raise ValueError(f"it has no {', '.join(map(repr, missing))}")
        shape = metrics["data"]["shape"]
        _expect(
            isinstance(shape, list) and shape and all(type(n) is int for n in shape),
            "data.shape is not a list of sizes",
        )
        _expect(isinstance(metrics["test"], dict), "test is not an object of numbers")
        _expect(all(isinstance(block, dict) for block in metrics["baselines"].values()), "baselines have no numbers")
        told = [(v["id"], v["level"], v["text"]) for v in metrics["verdicts"]]
        _expect(all(isinstance(word, str) for words in told for word in words), "verdicts are not text")
    except WRONG as error:
        raise checksums.unreadable(path, _in_words(error)) from None
    return metrics


def read_history(path: Path) -> list[dict[str, float]]:
    """`history.csv`, one dict per epoch; empty before the first. Raises: ModelFileError that names the line."""
    text = _text(path)
    line = 1
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        names = next(rows)
        _expect("epoch" in names and len({*names}) == len(names), "the header has no epoch column, or a column twice")
        history = []
        for line, cells in enumerate(rows, start=2):
            _expect(len(cells) == len(names), f"{counted(len(cells), 'cell')} for {counted(len(names), 'column')}")
            history.append(
                {k: int(v) if k == "epoch" else float(v or "nan") for k, v in zip(names, cells, strict=True)}
            )
            _expect(history[-1]["epoch"] == line - 1, f"epoch {history[-1]['epoch']} where {line - 1} should be")
        return history
    except (StopIteration, ValueError, csv.Error) as error:
        raise checksums.unreadable(path, ValueError(f"line {line}: {str(error) or 'it is empty'}")) from None


def is_vouched(folder: Path) -> bool:
    """Whether a manifest confirms that record, metrics and history, if present, are as they were written."""
    found = [path for name in (RECORD, METRICS, HISTORY) if regular.is_file(path := folder / name)]
    return all(checksums.look(path)[1] for path in found)


@contextmanager
def blaming(folder: Path) -> Iterator[None]:
    """Wraps work on a run: an error caused by files with unexpected contents is reported as a bad file.

    Only if no manifest confirms the files, as in runs of older versions; otherwise the bug is in isthmus.

    Raises: ModelFileError that names the files.
    """
    try:
        yield
    except IsthmusError:
        raise
    except WRONG as error:
        if is_vouched(folder):
            raise
        names = " or ".join(str(path) for name in (METRICS, RECORD) if regular.is_file(path := folder / name))
        message = f"{names} does not have the contents that isthmus writes ({type(error).__name__}: {error})."
        raise ModelFileError("RUN-FILE", message, fix="use another copy of the run") from error


def _object(path: Path) -> dict[str, Any]:
    try:
        value = regular.parse_json(checksums.read_bytes(path))
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
        version = value.get("format", 0)
        _expect(type(version) is int, "its format is not an integer")
    except ValueError as error:
        raise checksums.unreadable(path, error) from None
    files.refuse_newer(path, version, value.get("versions"))
    return value


def _text(path: Path) -> str:
    try:
        return checksums.read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise checksums.unreadable(path, error) from None


def _expect(fine: object, otherwise: str) -> None:
    if not fine:
        raise ValueError(otherwise)


def _in_words(error: Exception) -> Exception:
    return error if isinstance(error, ValueError) else ValueError("a part of it is missing or has the wrong type")


__all__ = ["CONFIG", "HISTORY", "METRICS", "MODEL", "RECORD", "blaming", "is_vouched", "read_history"]
__all__ += ["read_metrics", "read_record"]
