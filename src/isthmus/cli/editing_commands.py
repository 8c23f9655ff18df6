"""`isthmus edit` and `isthmus feature …`: features that are added and removed, and how to learn and find them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import Out, RunName, nested
from isthmus.cli.options import USING
from isthmus.runs.finding import find
from isthmus.wording import counted

Names = list[str] | None
Method = Annotated[
    str, typer.Option("--method", help="How to go from one group to another: transport, means, or discriminant.")
]  # edited digits that a classifier takes for their target: transport 94 %, means 73 %
Keep = Annotated[Names, typer.Option("--keep", help="A feature that must not change; may be repeated.")]
Samples = Annotated[str, typer.Argument(help="Samples, such as photos/, mnist-2k:0-9 or mnist-2k:label=1.")]


def edit(
    io: Io, settings: dict[str, Any], run: RunName, input: Samples, *, out: Out,
    add: Annotated[Names, typer.Option("--add", help="A class, a learned feature, a measure, or a column.")] = None,
    remove: Annotated[Names, typer.Option("--remove", help="The same, to remove it.")] = None,
    strength: Annotated[
        float, typer.Option("--strength", min=-100, max=100, help="1: the full change, or one standard deviation.")
    ] = 1.0,
    keep: Keep = None, method: Method = "transport",
    strip: Annotated[Path | None, typer.Option("--strip", help="Draw strips from strength -3 to 3: a .png.")] = None,
) -> None:  # fmt: skip
    """Add features to samples, or remove them.

    \b
    Examples:
      isthmus edit latest mnist-2k:label=1 --remove 1 --add 7 -o sevens/
      isthmus edit latest digit.png --add slant --strength 2 -o slanted.png
      isthmus edit latest table.csv --add age --keep weight -o older.csv
    """
    from isthmus.tools.editing import edits

    found = find(run)
    wanted = edits.edit_of(found, add or (), remove or (), keep or (), method)
    made = edits.edit(found, input, out, wanted, strength=strength, strip=strip, settings=nested(settings))
    for sentence in made.said:
        io.say(sentence)
    io.result(made.as_dict(), f"{counted(made.n, 'edited sample')} written to {made.out}")


def learn(
    io: Io, settings: dict[str, Any], run: RunName,
    name: Annotated[str, typer.Argument(help="The name of the new feature.")],
    *,
    of: Annotated[str | None, typer.Option("--class", help="A class that has it.")] = None,
    against: Annotated[str | None, typer.Option("--against", help="A class that does not. [all others]")] = None,
    with_: Annotated[str | None, typer.Option("--with", help="Samples that have it: photos/smiling/.")] = None,
    without: Annotated[str | None, typer.Option("--without", help="Samples that do not: photos/serious/.")] = None,
    column: Annotated[str | None, typer.Option("--column", help="A column of the run's table.")] = None,
    measure: Annotated[str | None, typer.Option("--measure", help="thickness, slant, width or height.")] = None,
    method: Method = "transport", keep: Keep = None,
) -> None:  # fmt: skip
    """Learn a feature, and save it in the run with its evidence.

    \b
    Examples:
      isthmus feature learn latest smile --with smiling/ --without serious/
      isthmus feature learn latest round --class 0 --against 1
      isthmus feature learn latest upright --measure slant --keep thickness
    """
    from isthmus.tools.editing import feature_learning

    sources = {"class": of, "with": with_, "column": column, "measure": measure}
    beside = {"against": against, "without": without}
    feature = feature_learning.learn(
        find(run), name, {**sources, **beside}, method=method, keep=keep or (), settings=nested(settings)
    )
    io.result(feature_learning.about(feature), f"learned {name}: {feature_learning.words(feature)}")


def list_(io: Io, run: RunName) -> None:
    """List the features that a run can add and remove.

    \b
    Examples:
      isthmus feature list latest
    """
    from isthmus.tools.editing import feature_learning

    owner = find(run)
    listed = feature_learning.list_features(owner)
    for sentence in feature_learning.about_out_of_date(owner):
        io.say(sentence)
    width = max((len(f["name"]) for f in listed), default=0)
    io.result({"features": listed}, [f"{f['name']:<{width}}  {f['told']}" for f in listed])


def discover(
    io: Io, run: RunName,
    *, n: Annotated[int, typer.Option("-n", min=1, max=64, help="How many directions to find.")] = 8,
    method: Annotated[str, typer.Option("--method", help="principal or independent.")] = "principal",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A .png sheet, or a .csv for a table. [directions.png or .csv]")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Save them in the run, as principal-1 and so on.")] = False,
) -> None:  # fmt: skip
    """Find directions in the code without labels, and show what each of them does.

    \b
    Examples:
      isthmus feature discover latest -o directions.png
      isthmus feature discover latest -o directions.csv
      isthmus feature discover latest --method independent -n 12 --save
    """
    from isthmus.tools.editing import feature_learning

    owner = find(run)
    out = out or feature_learning.usual_out(owner)
    found = feature_learning.discover(owner, n, out, method=method, save=save)
    about = {"features": [feature_learning.about(feature) for feature in found], "out": str(out), "saved": save}
    io.result(
        about,
        f"{counted(len(found), 'direction')}: {out}"
        + (", saved in the run" if save else "; --save saves them in the run"),
    )


def matrix(
    io: Io, run: RunName,
    *, method: Method = "transport",
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png picture.")] = Path("matrix.png"),
) -> None:  # fmt: skip
    """Draw a test image of each class turned into every other class, and report how often that succeeds.

    \b
    Examples:
      isthmus feature matrix latest -o matrix.png
    """
    from isthmus.tools.editing import feature_learning

    about = feature_learning.matrix(find(run), out, method=method)
    io.result(about, [about["told"], str(out)])


def register(app: typer.Typer) -> None:
    command(app, edit, settings=USING)
    feature = type(app)(help="Learn, list and find features to add and remove.", no_args_is_help=True)
    command(feature, learn, settings=USING)
    command(feature, list_, "list")
    for function in (discover, matrix):
        command(feature, function)
    app.add_typer(feature, name="feature")
