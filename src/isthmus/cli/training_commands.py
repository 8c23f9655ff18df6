"""`isthmus train`, `isthmus resume` and `isthmus finish`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus import settings as configs
from isthmus.cli.command_frame import Io, command
from isthmus.cli.options import READING, TRAINING
from isthmus.cli.output import open_page
from isthmus.evaluation.verdicts.brief_names import named_text
from isthmus.web.background import BackgroundServer
from isthmus.wording import counted


def _of_the_run(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text, rich_help_panel="The run")


Data = Annotated[
    str | None, typer.Argument(help="A data set (mnist-2k, emnist/letters, hub:NAME …) or a path. [mnist-2k]")
]
Recipe = Annotated[str | None, _of_the_run("--recipe", "The recipe; `isthmus recipes` lists them. [modern]")]
Out = Annotated[Path | None, _of_the_run("--out", "The run folder to create. [runs/DATA-RECIPE-NUMBER]")]
Settings = Annotated[Path | None, _of_the_run("--config", "Use the settings in this config.toml.")]
Sets = Annotated[list[str] | None, _of_the_run("--set", "Any other setting, as in --set training.warmup=0.1.")]
Serve = Annotated[bool, _of_the_run("--serve", "Show the training live on a local page.")]
Open = Annotated[bool, _of_the_run("--open", "Like --serve, and open the page in the browser.")]
DryRun = Annotated[bool, _of_the_run("--dry-run", "Read and check everything, but do not train.")]


def train(
    io: Io, settings: dict[str, Any], data: Data = None,
    *, recipe: Recipe = None, out: Out = None, config: Settings = None, sets: Sets = None,
    serve: Serve = False, open_it: Open = False, dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Train an autoencoder on DATA, judge it, and write a run folder.

    \b
    Examples:
      isthmus train                                       on the 2,000 shipped digits
      isthmus train mnist --epochs 10 --z-size 16         on MNIST, with a code of 16 numbers
      isthmus train mnist --recipe seed                   the teaching notebook, reproduced exactly
      isthmus train photos/ --noise gaussian:0.1-0.3      a denoiser, from a folder of images
      isthmus train noisy/ --target clean/                a denoiser, from pairs of noisy and clean samples
      isthmus train table.csv --label kind                on a table of numbers
      isthmus train --config runs/a/config.toml           again with the same settings
    """
    from isthmus.pipeline import train as pipeline

    given = configs.merge(
        configs.read(config) if config else {}, configs.nest(settings), configs.parse_sets(sets or [])
    )
    resolved = pipeline.configure(data, recipe, given, {})
    if dry_run:
        about = pipeline.dry_run(resolved, show=io.display)
        io.result(about, _planned(about))
        return
    with _page(io) as page:
        run = pipeline.train(
            resolved, data, out=out, show=io.display, command=["isthmus", *sys.argv[1:]],
            began=(lambda run: _show(page, run, open_it)) if serve or open_it else None,
        )  # fmt: skip
        io.result({"run": str(run.path), "metrics": run.metrics}, summary(run))
        if (serve or open_it) and io.speaks and sys.stdout.isatty():  # a script has nobody to close the page
            page.wait()


def _page(io: Io) -> Any:
    return BackgroundServer(io.say)


def _show(page: Any, run: Any, open_it: bool) -> None:
    address = page.begin(run.path)
    if open_it:
        open_page(address)


def resume(
    io: Io,
    run: Annotated[str, typer.Argument(help="A run folder, or latest.")],
    *,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Extend a finished run to N epochs.")] = None,
) -> None:
    """Continue a run that was stopped, or train a finished run longer.

    \b
    Examples:
      isthmus resume latest
      isthmus resume runs/mnist-modern-1 --epochs 40
    """
    from isthmus.pipeline.resume import resume as going_on

    done = going_on(run, epochs=epochs, show=io.display)
    io.result({"run": str(done.path), "metrics": done.metrics}, summary(done))


def finish(io: Io, run: Annotated[str, typer.Argument(help="A run folder, or latest.")]) -> None:
    """End a running or stopped training now: keep its best weights, and judge them.

    \b
    Examples:
      isthmus finish latest                      in another terminal, while it trains; or after Ctrl-C
      isthmus resume latest --epochs 40          train it longer afterwards
    """
    from isthmus.pipeline.finish import finish as finishing

    done = finishing(run, show=io.display)
    io.result({"run": str(done.path), "metrics": done.metrics}, summary(done))


def summary(run: Any) -> list[str]:
    """The results of a finished run: the verdicts, and where the pictures and the report are."""
    from isthmus.evaluation.verdicts.verdicts import Verdict, headline

    if not run.metrics:  # another process continues it
        return []
    verdicts = [Verdict(v["id"], v["level"], v["text"], v.get("try")) for v in run.metrics["verdicts"]]
    lines = ["", headline(verdicts, run.metrics), ""]
    for verdict in verdicts:
        lines.append(f"  {verdict.level:<4}  {named_text(verdict.id, verdict.level, verdict.text)}")
        if verdict.try_next:
            lines.append(f"        try: {verdict.try_next}")
    pictures = ", ".join(sorted(p.name for p in run.path.iterdir() if p.suffix in {".png", ".svg"}))
    lines += ["", f"pictures in {run.path}: {pictures}"]
    page = run.path / "report.html"
    return [*lines, f"everything on one page: {page}"] if page.is_file() else lines


def _planned(about: dict[str, Any]) -> list[str]:
    samples = ", ".join(f"{n:,} {role}" for role, n in about["samples"].items())
    lines = [f"note: {sentence}" for sentence in about["said"]]
    shape = about["shape"]
    size = counted(shape[0], "value") if len(shape) == 1 else " x ".join(map(str, shape))
    lines.append(f"samples: {samples}; each of {size}")
    lines.append(f"network: {about['parameters']:,} weights")
    lines.append(f"training: {counted(about['epochs'], 'epoch')}, {counted(about['steps'], 'step')}")
    return [*lines, "nothing was trained (--dry-run)"]


def register(app: typer.Typer) -> None:
    command(app, train, settings=(*TRAINING, *READING))
    command(app, resume)
    command(app, finish)
