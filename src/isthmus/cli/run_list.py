"""The list of runs that `isthmus runs` prints: one row per run, including running and damaged ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from isthmus.cli.text_tables import aligned
from isthmus.errors import IsthmusError, ModelFileError
from isthmus.evaluation.verdicts.brief_names import in_brief
from isthmus.runs.state import state
from isthmus.runs.stored import blaming
from isthmus.wording import elided, three_digits

MOST_LETTERS = 34  # of a verdict in the list; --json has the whole text
ENDED = {  # how a run ended, for people; other values are shown as they are
    "budget": "finished", "patience": "finished early", "request": "ended by hand", "unjudged": "not judged",
}  # fmt: skip


def row_of(run: Any, broken: dict[Path, ModelFileError]) -> dict[str, Any]:
    """The main numbers of a run; a damaged run is added to `broken` and does not stop the list."""
    try:
        run.refuse_broken()
        with blaming(run.path):
            return _numbers(run, run.metrics, state(run))
    except ModelFileError as error:
        broken[run.path] = error
        return _numbers(run, {}, "damaged")


def _numbers(run: Any, metrics: dict[str, Any], ended: str) -> dict[str, Any]:
    test, planned = metrics.get("test", {}), _planned(run)
    return {
        "run": str(run.path),
        "data": metrics.get("data", {}).get("name") or planned.get("data"),
        "recipe": metrics.get("recipe") or planned.get("recipe"),
        "z_size": metrics.get("z_size"),
        "noise": metrics.get("denoising", {}).get("noise"),
        "epochs": metrics.get("epochs"),
        "bce": test.get("bce"),
        "mse": test.get("mse"),
        "verdict": _verdict(metrics),
        "ended": ended,
    }


def _planned(run: Any) -> dict[str, str]:
    """Data and recipe of a run that is not judged yet; empty if its settings cannot be read."""
    with suppress(IsthmusError):
        config = run.config
        return {"data": Path(config.data.source).stem, "recipe": config.recipe}
    return {}


def _verdict(metrics: dict[str, Any]) -> str | None:
    """`good`, or the problems in a few words; None before the run is judged."""
    verdicts = metrics.get("verdicts")
    if not verdicts:
        return None
    worst = {level: [v["id"] for v in verdicts if v["level"] == level] for level in ("fail", "warn")}
    return in_brief(worst["fail"] or worst["warn"]) or "good"


def listed_runs(rows: list[dict[str, Any]]) -> list[str]:
    """The same rows as a table for people."""
    head = ["run", "data", "recipe", "code", "test MSE", "ended", "verdict"]
    cells = [
        [
            row["run"], elided(row["data"] or "–", 16), row["recipe"] or "–", str(row["z_size"] or "–"),
            "–" if row["mse"] is None else three_digits(row["mse"]),
            ENDED.get(row["ended"], row["ended"]), _first(row["verdict"] or "–"),
        ]
        for row in rows
    ]  # fmt: skip
    return aligned([head, *cells], left=(0, 1, 2, 5, 6))


def _first(verdict: str) -> str:
    """The first problem, which usually causes the others, and the number of others.

    >>> _first("too little data, no better than PCA, overfitting")
    'too little data and 2 more'
    """
    if len(verdict) <= MOST_LETTERS:
        return verdict
    first, *others = verdict.split(", ")
    return f"{first} and {len(others)} more" if others else first
