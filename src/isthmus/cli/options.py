"""Options made from the configuration: a field's text becomes the option's help, and its type the option's type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from isthmus.config import SECTIONS, SPELLED, help_of, hints_of, is_list

# The same options wherever data is read.
READING = (
    "label", "group", "window", "stride", "time", "shape", "gray", "resize", "crop", "patches", "alpha", "frames",
    "max_pixels", "scale",
    "range", "key", "delimiter", "decimal", "encoding", "header", "thousands", "missing", "null_values", "kinds",
    "skip_bad_rows", "skip_bad_files", "drop_columns", "allow_trailing", "data_dir", "memory",
)  # fmt: skip
USING = tuple(
    name for name in READING if name not in {"scale", "range", "kinds", "window", "stride", "time"}
)  # not these: a trained model already knows them
TRAINING = (
    "model.noise", "model.z_size", "training.epochs", "training.batch_size", "training.lr", "model.hidden",
    "model.activation", "model.network", "model.bottleneck", "model.likelihood", "training.patience",
    "training.augment", "training.start", "training.seed", "training.device", "training.threads", "training.precision",
    "training.step", "data.target", "data.validation", "data.test", "data.limit", "data.duplicates",
)  # fmt: skip

IMAGES = {"gray", "resize", "crop", "patches", "alpha", "frames", "max_pixels", "range", "skip_bad_files"}
TABLES = {
    "label", "group", "shape", "scale", "delimiter", "decimal", "encoding", "header", "thousands", "missing",
    "null_values", "kinds", "skip_bad_rows", "drop_columns", "allow_trailing", "window", "stride", "time",
}  # fmt: skip
HEADINGS = {"data": "Data", "model": "Model", "training": "Training"}


def addresses(names: tuple[str, ...]) -> list[str]:
    return [name if "." in name else f"data.{name}" for name in names]


def with_settings(function: Callable[..., None], names: tuple[str, ...]) -> Callable[..., None]:
    """`function(…, settings)` with an option for every named setting; `settings` holds those that were given."""
    signature = inspect.signature(function, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "settings"]
    options = {address.rpartition(".")[2]: address for address in addresses(names)}

    def run(*args: Any, **values: Any) -> None:
        settings = {options[k]: _value(options[k], values.pop(k)) for k in list(values) if k in options}
        function(*args, **values, settings={k: v for k, v in settings.items() if v is not None})

    run.__doc__, run.__name__ = function.__doc__, function.__name__
    run.__signature__ = signature.replace(parameters=[*own, *(_option(name, a) for name, a in options.items())])  # type: ignore[attr-defined]
    return run


def _option(name: str, address: str) -> inspect.Parameter:
    section, _, key = address.partition(".")
    hint, default = hints_of(section)[key], _default(section, key)
    flag = SPELLED.get(key, "--" + key.replace("_", "-"))
    text, extra = help_of(section, key), {}
    flags = [flag]
    if key == "header":
        kind: Any = bool
        flags = ["--header/--no-header"]
    elif hint is bool:
        kind, flags = bool, [flag]
    elif key in {"drop_columns", "kinds", "null_values"}:
        kind = list[str]
    elif is_list(section, key):
        kind = str
    else:
        kind = _plain(hint)
    if default not in (None, "", False, ()) and key != "header":
        default_text = ",".join(map(str, default)) if isinstance(default, tuple) else default
        extra["show_default"] = False
        text = f"{text} [{default_text}]" if section == "data" else text
    annotation = Annotated[
        kind | None, typer.Option(*flags, help=text, rich_help_panel=_heading(section, key), **extra)
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _heading(section: str, key: str) -> str:
    """The heading of a setting in the help."""
    if section == "data" and key in IMAGES:
        return "Images"
    return "Tables" if section == "data" and key in TABLES else HEADINGS[section]


def _plain(hint: Any) -> Any:
    """The type inside Optional and Annotated: str, int, float, or a Literal."""
    candidates = [a for a in get_args(hint) if a is not type(None)] if type(None) in get_args(hint) else [hint]
    found = candidates[0]
    while get_origin(found) is Annotated:
        found = get_args(found)[0]
    return found if get_origin(found) is Literal or found in (int, float, str) else str


def _default(section: str, key: str) -> Any:
    return next(f.default for f in fields(SECTIONS[section]) if f.name == key)


def _value(address: str, value: Any) -> Any:
    """An option's value in the form of the setting; None if the option was not given."""
    if value is None or value == []:
        return None
    if address == "data.header":
        return "yes" if value else "no"
    section, _, key = address.partition(".")
    if is_list(section, key) and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
