"""`isthmus evaluate`, `check`, `info`, `runs`, `recipes`, `doctor`: commands that report and change nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName, nested
from isthmus.cli.options import READING, USING
from isthmus.cli.run_list import ENDED, listed_runs, row_of
from isthmus.cli.text_tables import aligned
from isthmus.evaluation.verdicts.brief_names import named_text
from isthmus.recipes import RECIPES, resolve
from isthmus.runs.finding import find, is_photo, look_for_runs
from isthmus.runs.state import damage, state
from isthmus.runs.stored import blaming
from isthmus.system.outputs import refuse_inputs
from isthmus.version import __version__
from isthmus.wording import counted, printable, three_digits, widths

MEASURES = {
    "mse": "mean squared error", "bce": "binary cross-entropy", "bce_floor": "lowest possible cross-entropy",
    "psnr_db": "PSNR, dB", "ssim": "SSIM", "nll": "negative log-likelihood", "cost": "cost",
}  # fmt: skip
BASELINES = {"mean": "the mean {}", "pca": "PCA of the same size"}


def _version(asked: bool) -> None:
    if asked:
        print(f"isthmus {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)]


def version_option(version: Version = False) -> None:
    """Options of the command itself."""


def evaluate(
    io: Io,
    settings: dict[str, Any],
    run: RunName,
    data: Annotated[str | None, typer.Argument(help="Other data to test on. [the run's test data]")] = None,
    *,
    target: Annotated[
        str | None, typer.Option("--target", help="The clean samples for noisy DATA, as in train.")
    ] = None,
    nll: Annotated[
        int | None,
        typer.Option("--nll", min=1, max=1_000_000, help="Bound -log p(x) of a VAE, with N draws per sample."),
    ] = None,
    binarize: Annotated[
        str,
        typer.Option(
            "--binarize",
            "--binarise",
            help="How to binarize pixels for --nll: none, threshold (at 0.5), or sample.",
        ),
    ] = "none",
) -> None:
    """Measure a trained run on its test data, or on other DATA.

    \b
    Examples:
      isthmus evaluate latest
      isthmus evaluate runs/mnist-modern-1 my-digits/ --resize 28 --json
      isthmus evaluate latest noisy/ --target clean/
      isthmus evaluate runs/mnist-vae-1 --nll 100 --binarize threshold
    """
    from isthmus.pipeline.evaluate import evaluate as measured

    metrics = measured(run, data, target=target, nll=nll, binarize=binarize, settings=nested(settings))
    io.result(metrics, _measured(metrics))


def check(
    io: Io,
    settings: dict[str, Any],
    data: Annotated[str, typer.Argument(help="A name or a path.")] = "mnist-2k",
    *,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", "--picture", help="The picture with samples of each class. [runs/checks/NAME.png]"),
    ] = None,
) -> None:
    """Inspect DATA before training: shape, range, labels, duplicates, and every bad row or file.

    \b
    Examples:
      isthmus check table.csv
      isthmus check photos/ -o photos-check.png
      isthmus check noisy/ --target clean/                 noise level, correlation, shift of each pair
    """
    from isthmus.data.check import check as look_at

    if out is not None:
        refuse_inputs(out, data)
    with io.display.counting("reading") as progress:
        found = look_at(data, resolve({"data": nested(settings)}).data, progress)
    drawn = _draw(found, out)
    lines = [f"{name:<22} {value}" for name, value in found.rows()]
    lines += [f"picture: {drawn}"] if drawn else []
    io.result(found.as_dict() | {"picture": str(drawn) if drawn else None}, lines)
    if not found.ok:  # the problems were already printed
        raise typer.Exit(found.problems[0].exit_code)


def _draw(found: Any, out: Path | None) -> Path | None:
    """Draws samples of each class, if the data is images."""
    if found.bundle is None or not found.bundle.train.is_image:
        return None
    from isthmus.evaluation.figures.data_pictures import draw_data

    return draw_data(found.bundle.train, out)


def info(io: Io, run: RunName) -> None:
    """Show a run: its data, settings, results and verdicts, and whether its model is intact.

    `isthmus info photo` describes the shipped denoiser for photographs: training data, results and limits.
    """
    if is_photo(run):
        from isthmus.models.photo import about_photo

        about = about_photo()
        return io.result({"photo": about}, _about_photo(about))
    found = find(run)
    fault = damage(found)
    about = {"run": str(found.path), "record": found.record, "config": found.config.as_dict(), "metrics": found.metrics}
    about["config_edited"] = found.is_edited
    with blaming(found.path):
        lines = _summary(found)
    found.refuse_broken()
    io.result(about | (fault.as_dict() if fault else {}), lines)
    if fault is not None:
        print(fault, file=sys.stderr)
        raise typer.Exit(fault.exit_code)


def runs(io: Io) -> None:
    """List the runs in this folder, also those of compare and sweep, newest last: data, recipe, error, verdict."""
    found = look_for_runs(series=True)
    rows = [row_of(run, found.broken) for run in found.runs]
    lines = listed_runs(rows) if rows else ["no runs here; train one with `isthmus train`"]
    lines += [f"broken: {path} ({error.message})" for path, error in found.broken.items()]
    io.result({"runs": rows, "broken": {str(p): e.message for p, e in found.broken.items()}}, lines)


def recipes(io: Io) -> None:
    """List the recipes."""
    listed = {name: (recipe.__doc__ or "").partition("\n")[0] for name, recipe in RECIPES.items()}
    io.result({"recipes": listed}, [f"{name:<12} {text}" for name, text in listed.items()])


def doctor(io: Io) -> None:
    """Show versions, devices, memory and precision of this machine, and the folder for data sets."""
    from isthmus.system.doctor import examine

    found = examine()
    io.result(found, [f"{key:<16} {value}" for key, value in found.items()])


def _measured(metrics: dict[str, Any]) -> list[str]:
    about, block = metrics["data"], metrics.get("denoising") or {}
    of = "window" if "series" in about else "row" if len(about["shape"]) == 1 else "image"
    lines = [f"{'data':<10} {about['name']}, {counted(about['n_test'], f'test {of}')}"]
    lines += [f"{'trained on':<10} {about['trained_on']}"] if "trained_on" in about else []
    lines += ["", *_errors(metrics, of)]
    rivals = {k: block.get(k) for k in ("noisy", "denoised")} | block.get("baselines", {})
    denoised = [f"  {name:<18} {text}" for name, numbers in rivals.items() if (text := _denoised(numbers))]
    lines += [f"noisy {of}s ({block['noise']}):", *denoised] if denoised else []
    lines += [_bounded(metrics["bound"])] if metrics.get("bound") else []
    lines += [f"note: {text}"] if (text := (metrics.get("set") or {}).get("text")) else []
    return [
        *lines,
        "",
        *(f"{v['level']:<4}  {named_text(v['id'], v['level'], v['text'])}" for v in metrics["verdicts"]),
    ]


def _errors(metrics: dict[str, Any], of: str) -> list[str]:
    """A table of the test errors, with those of the baselines."""
    test, rivals = metrics["test"], metrics["baselines"]
    rows = [("this model", *_named(key, value)) for key, value in test.items() if isinstance(value, float)]
    rows += [
        (str(BASELINES.get(name, name)).format(of), *_named("mse", found["mse"])) for name, found in rivals.items()
    ]
    rows += [
        (f"hidden row, {name}", *_named("mse", found["mse"])) for name, found in metrics.get("filling", {}).items()
    ]
    return aligned([("on test data", "", ""), *rows], left=(0, 1))


def _named(key: str, value: float) -> tuple[str, str]:
    return MEASURES.get(key, key), three_digits(value)


def _denoised(numbers: Any) -> str | None:
    """The PSNR for images, the squared error otherwise; None if there is no measurement."""
    found = numbers if isinstance(numbers, dict) else {}
    if found.get("psnr_db") is not None:
        return f"PSNR {found['psnr_db']:.2f} dB"
    return f"mean squared error {three_digits(found['mse'])}" if found.get("mse") is not None else None


def _bounded(bound: dict[str, Any]) -> str:
    sem = "" if bound["nll_sem"] is None else f" ± {bound['nll_sem']:.2f}"
    how = f"{counted(bound['draws'], 'draw')} per sample, {bound['values']}"
    return f"nll        at most {bound['nll']:.2f}{sem} {bound['unit']} ({how})"


def _network(model: Any) -> str:
    """`mlp, layers of 512, 256 units`; `conv, stages of 32, 64 channels`; `own`."""
    return model.network if model.network == "own" else f"{model.network}, {widths(model.network, model.hidden)}"


def _summary(run: Any) -> list[str]:
    record, metrics, config = run.record, run.metrics, run.config
    lines = [
        f"run       {run.path}",
        f"started   {record.get('started')}, ended: {ENDED.get(state(run), state(run))}" + _why(record),
        f"command   {record.get('command') or '(from Python)'}",
        f"data      {config.data.source}",
        *_series(metrics.get("data", {}).get("series")),
        *(["settings  edited since isthmus wrote them"] if run.is_edited else []),
        f"model     {config.recipe}, {_network(config.model)}, z_size {config.model.z_size}",
        f"noise     {config.model.noise}",
    ]
    if metrics:
        lines += [f"epochs    {metrics['epochs']}, best {metrics['best_epoch']}", "", *_measured(metrics)]
    return lines


def _about_photo(about: dict[str, Any]) -> list[str]:
    lines = [f"{title:<10}{text}" for title, text in about["in_short"].items()]
    lines += ["", "measured", *(f"  {row['on']}: {row['result']}" for row in about["measured"])]
    lines += ["", "limits", *(f"  {line}" for line in about["limits"])]
    photographs = [f"  {p['title']} by {p['author']}, {p['license']}" for p in about["photographs"]]
    return [*lines, "", f"trained on {counted(len(photographs), 'photograph')}", *photographs]


def _series(about: dict[str, Any] | None) -> list[str]:
    """A line about the windows of a time series."""
    if about is None:
        return []
    columns = counted(len(about["columns"]), "column")
    order = f"ordered by {printable(about['time'])}" if about["time"] else "in file order"
    return [f"series    windows of {counted(about['window'], 'row')} of {columns}, {order}, stride {about['stride']}"]


def _why(record: dict[str, Any]) -> str:
    return f" ({record['error']})" if record.get("error") else ""


def register(app: typer.Typer) -> None:
    command(app, evaluate, settings=USING)
    command(app, check, settings=(*READING, "data.target"))
    for function in (info, runs, recipes, doctor):
        command(app, function)
