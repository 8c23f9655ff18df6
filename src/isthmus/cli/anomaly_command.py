"""`isthmus score`: outliers at a stated false-alarm rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName, nested
from isthmus.cli.options import USING
from isthmus.cli.shard_options import Sharding, with_sharding, wrote_shards
from isthmus.runs.finding import find


def score(
    io: Io, settings: dict[str, Any], run: RunName,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A name, file or folder; or rows: mnist-2k:0-9.")],
    *, out: Annotated[Path, typer.Option("-o", "--out", help="The table of scores: .csv or .parquet.")],
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarms", help="Share of normal samples that may be called outliers. [0.01 if possible]"),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the most anomalous images, or the time series: a .png.")
    ] = None,
    sharding: Sharding,
) -> None:  # fmt: skip
    """Find outliers (anomalies): each sample gets a score (larger: more anomalous) and a p-value; outliers are marked.

    \b
    Examples:
      isthmus score latest photos/ -o scores.csv --picture anomalies.png
      isthmus score latest table.csv -o scores.csv --false-alarms 0.05
    """
    from isthmus.tools.anomaly import score_table

    wish = {"false_alarms": false_alarms, "picture": picture}
    if wrote_shards(io, "score", run, source, out, sharding, nested(settings), **wish):
        return
    scored = score_table.score(
        find(run), source, out, false_alarms=false_alarms, picture=picture, settings=nested(settings), say=io.say
    )
    for sentence in scored.said:
        io.say(f"note: {sentence}")
    io.result(scored.as_dict(), scored.text)


def register(app: typer.Typer) -> None:
    command(app, with_sharding(score), settings=USING)
