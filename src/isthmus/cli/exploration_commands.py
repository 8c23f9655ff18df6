"""`isthmus map`, `neighbors`, `duplicates`, `probe`: what the codes of a run say about its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName, nested
from isthmus.cli.options import USING
from isthmus.cli.text_tables import aligned
from isthmus.runs.finding import find
from isthmus.wording import counted, elided, three_digits

MOST_LETTERS = 28  # of a name in a table; files and --json have the whole name
SHOWN_COLUMNS = 12  # of a table; files have all columns
PRINTED = 10  # rows that are printed; files and --json have all of them

Picture = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The file to write: .png for a picture, .csv or .parquet for a table."),
]
Mapped = Annotated[str | None, typer.Argument(help="Other data. [the run's test data]")]
Searched = Annotated[str | None, typer.Option("--in", help="The data to search. [the run's training data]")]
Whole = Annotated[str | None, typer.Argument(help="Other data. [all data of the run]")]
Method = Annotated[str, typer.Option("--method", help="pca, tsne, or umap (needs umap-learn).")]
Color = Annotated[
    str | None, typer.Option("--color", help="label, none, or a column of a table. [label if there are labels]")
]


def map_(
    io: Io, settings: dict[str, Any], run: RunName, data: Mapped = None, *, out: Picture = None,
    table: Annotated[Path | None, typer.Option("--table", help="A .csv or .parquet file for the coordinates.")] = None,
    method: Method = "tsne", color: Color = None,
    limit: Annotated[int, typer.Option("--limit", min=5, help="Most samples to map, evenly by class.")] = 10_000,
) -> None:  # fmt: skip
    """Draw the codes in two dimensions: small pictures for images, points for rows of a table. [map.png]

    \b
    Examples:
      isthmus map latest -o map.png
      isthmus map latest photos/ --method pca -o photos.png
      isthmus map latest table.csv --color price -o prices.png
    """
    from isthmus.tools.exploration import code_map, encoded_samples

    found, out = find(run), out or Path("map.png")
    for path in (out, table):
        if path is not None:
            encoded_samples.refuse_out(found, path, data)
    result = code_map.map_codes(found, data, method=method, color=color, limit=limit, settings=nested(settings))
    paths = [encoded_samples.write_result(result, path) for path in (out, table) if path is not None]
    for sentence in result.samples.notes:
        io.say(f"note: {sentence}")
    about: dict[str, Any] = result.as_dict() | {"out": [str(path) for path in paths]}
    io.result(about, f"{len(result.points):,} samples ({result.sentence}): {', '.join(map(str, paths))}")


def neighbors(
    io: Io, settings: dict[str, Any], run: RunName,
    image: Annotated[str, typer.Argument(help="An image, a row of data such as mnist-2k:12, or several of them.")],
    *, source: Searched = None, k: Annotated[int, typer.Option("-k", min=1, help="Number of neighbors.")] = 10,
    out: Picture = None,
) -> None:  # fmt: skip
    """Find the samples nearest to IMAGE by their codes, and for comparison, the nearest by their values (pixels).

    \b
    Examples:
      isthmus neighbors latest digit.png -o neighbors.png
      isthmus neighbors latest mnist-2k:12 --in mnist-2k -k 20 -o neighbors.csv
    """
    from isthmus.tools.exploration import encoded_samples, lookup

    found = find(run)
    if out is not None:
        encoded_samples.refuse_out(found, out, image, source)
    result = lookup.look_up(found, image, source, k=k, settings=nested(settings))
    about: dict[str, Any] = result.as_dict() | {"out": str(encoded_samples.write_result(result, out)) if out else None}
    for sentence in about["said"]:
        io.say(f"note: {sentence}")
    if out is not None and out.suffix == ".png" and about["n"] > 1:
        io.say(f"note: the picture shows only the first of {about['n']:,} samples; a .csv file has all of them")
    lines = [*_nearest(about["neighbors"]), *_values(about)]
    io.result(about, [*lines, *([f"written to {out}"] if out else [])])


def duplicates(
    io: Io, settings: dict[str, Any], run: RunName, data: Whole = None, *, out: Picture = None,
    chance: Annotated[
        float, typer.Option("--chance", min=0.0, help="Expected number of false pairs in data without duplicates.")
    ] = 0.05,
) -> None:  # fmt: skip
    """Find equal and nearly equal samples, within the data and between training and test data.

    The codes suggest pairs of neighbors. A pair is reported if its values are closer than chance would put any two of
    this many samples, judging by the distances to the ten nearest samples.

    \b
    Examples:
      isthmus duplicates latest -o pairs.png
      isthmus duplicates latest photos/ -o pairs.csv
    """
    from isthmus.tools.exploration import duplicates as copies
    from isthmus.tools.exploration import encoded_samples

    found = find(run)
    if out is not None:
        encoded_samples.refuse_out(found, out, data)
    result = copies.find_duplicates(found, data, chance=chance, settings=nested(settings))
    drawn = out is not None and (result.pairs or out.suffix != ".png")
    written = str(encoded_samples.write_result(result, out)) if out and drawn else None
    about: dict[str, Any] = result.as_dict() | {"out": written}
    for sentence in about["said"]:
        io.say(f"note: {sentence}")
    if out is not None and not drawn:
        io.say(f"note: no pairs found, so {out} was not written")
    head = f"{counted(about['n'], 'sample')}; equal pairs: {about['exact']:,}, nearly equal pairs: {about['near']:,}"
    head += f", pairs across parts: {about['crossing']:,}" if len(result.parts) > 1 else ""
    lines = [_pair(pair) for pair in about["pairs"][:PRINTED]]
    lines += [f"… and {len(result.pairs) - PRINTED:,} more"] if len(result.pairs) > PRINTED else []
    io.result(about, [head, *lines, *([f"written to {out}"] if drawn else [])])


def probe(
    io: Io, settings: dict[str, Any], run: RunName, data: Whole = None, *,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of nearest neighbors for the k-NN classifier.")] = 5,
    everything: Annotated[bool, typer.Option("--all", help="Use all samples, even if it takes long.")] = False,
) -> None:  # fmt: skip
    """Measure how well the codes predict the labels, compared with PCA of the same size and the raw values.

    \b
    Examples:
      isthmus probe latest
      isthmus probe latest table.csv --label kind --json
    """
    from isthmus.tools.exploration.probing import probe_run

    result = probe_run(find(run), data, k=k, everything=everything, settings=nested(settings))
    for sentence in result["said"]:
        io.say(f"note: {sentence}")
    io.result(result, _probed(result))


def _nearest(rows: list[dict[str, Any]]) -> list[str]:
    """The neighbors of the first sample: by code, and next to them by values."""
    first = rows[0]["query"]
    spaces = [[row for row in rows if row["query"] == first and row["space"] == space] for space in ("code", "raw")]
    table = [["", "by code", "distance", "by values", "difference"]]
    for code, raw in zip(*spaces, strict=True):
        cells = [part for row in (code, raw) for part in (_named(row), three_digits(row["distance"]))]
        table.append([str(code["rank"]), *cells])
    return [f"nearest to {first}:", *aligned(table, left=(1, 3))]


def _values(about: dict[str, Any]) -> list[str]:
    """For a table: the values of the first row, and of its neighbors by code."""
    if "queries" not in about:
        return []
    first, names = about["neighbors"][0]["query"], [*about["queries"][0]][:SHOWN_COLUMNS]
    found = [row for row in about["neighbors"] if row["query"] == first and row["space"] == "code"]
    rows = [(first, about["queries"][0]), *((row["id"], row) for row in found)]
    cells = [[elided(name, MOST_LETTERS), *(_cell(row.get(column)) for column in names)] for name, row in rows]
    return ["", *aligned([["", *(elided(name, MOST_LETTERS) for name in names)], *cells])]


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return elided(f"{value:.6g}" if isinstance(value, float) else str(value), MOST_LETTERS)


def _named(row: dict[str, Any]) -> str:
    label = f" ({elided(row['label'], MOST_LETTERS)})" if row.get("label") else ""
    return elided(row["id"], MOST_LETTERS) + label


def _pair(pair: dict[str, Any]) -> str:
    ends = [f"{pair[f'{end}_part']} {pair[end]}" for end in ("first", "second")]
    likeness = "equal" if pair["exact"] else f"RMS difference {pair['rms_difference']:.4g}"
    return f"{ends[0]}  =  {ends[1]}  ({likeness})"


def _probed(result: dict[str, Any]) -> list[str]:
    first = result["codes"]
    names = {"codes": "codes", "pca": "PCA", "raw": "raw values"}
    head = f"{'':<11}{'size':>7}{str(first['k']) + '-NN':>9}{'linear':>9}{'NMI':>9}{'ARI':>9}"
    lines = []
    for key, name in names.items():
        found = result[key]
        numbers = "".join(f"{found[measure]:>9.4f}" for measure in ("knn", "linear", "nmi", "ari"))
        lines.append(f"{name:<11}{found['size']:>7,}{numbers}")
    sizes = f"trained on {first['n_train']:,} samples, tested on {first['n_test']:,}, {first['n_classes']} classes"
    groups = f" in {counted(result['n_groups'], 'group')}" if "n_groups" in result else ""
    doubt = f"accuracies are measured on {first['n_test']:,} samples{groups}: ± {result['standard_error']:.2g}"
    return [f"{result['data']}: {sizes}", head, *lines, doubt]


def register(app: typer.Typer) -> None:
    command(app, map_, "map", settings=USING)
    for function in (neighbors, duplicates, probe):
        command(app, function, settings=USING)
