"""Turns settings from files, options and keywords into a validated `Config`, and a `Config` into a `config.toml`.

pydantic is imported only when a configuration is built, so that `isthmus --help` does not need it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from isthmus.config import ALIASES, SECTIONS, Config, is_list
from isthmus.errors import UsageError
from isthmus.validation_wording import rule
from isthmus.wording import shortened

# The behavior before these settings existed. A run writes all of its settings, so a `config.toml` that contains the
# OLDEST but not these was written by an older version, and its run keeps the old behavior.
BEFORE: dict[str, dict[str, Any]] = {
    "data": {"digits": "float32", "split": "shuffled", "range": "type", "stream": "no"}
}
HELP = "`isthmus train --help`"
MARK = "\ufeff"  # the byte order mark, which some editors put before a text in UTF-8; it has no meaning
UNKNOWN = {"unexpected_keyword_argument", "extra_forbidden"}  # pydantic's types of errors for unknown names
OLDEST = {"allow_trailing", "data_dir"}  # of [data]: in every file written by a run, and hardly ever written by hand


def where_is(name: str) -> str:
    """The dotted address of a bare setting name: `"z_size"` -> `"model.z_size"`; dotted names pass through."""
    if "." in name or name == "recipe":
        return name
    homes = [section for section, cls in SECTIONS.items() if name in {f.name for f in fields(cls)}]
    if not homes:
        raise _unknown_key(name)
    return f"{homes[0]}.{name}"


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings; later layers override earlier ones, section by section.

    Raises: UsageError if a section holds a plain value.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key in SECTIONS and not isinstance(value, Mapping):
                raise UsageError(
                    "USAGE-SETTING",
                    f"[{key}] is {value!r}, not a section.",
                    fix=f"write {key}.NAME = VALUE",
                )
            merged[key] = {**merged.get(key, {}), **value} if key in SECTIONS else value
    return merged


def plain(value: Any) -> Any:
    """NumPy numbers as Python numbers and lists as tuples: a grid search may pass either."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`{"model.z_size": 8}` or `{"z_size": 8}` -> `{"model": {"z_size": 8}}`."""
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        section, _, key = where_is(name).partition(".")
        if key:
            nested.setdefault(section, {})[key] = value
        else:
            nested[section] = value
    return nested


def parse_sets(pairs: Iterable[str]) -> dict[str, Any]:
    """`["training.lr=1e-3", "hidden=512,256"]` -> nested settings; values are read as the field's type."""
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError("USAGE-SET", f"--set {pair!r} has no '='.", fix="write it as --set training.lr=0.001")
        address = where_is(name.strip())
        settings[address] = _typed(address, text.strip())
    return nest(settings)


def _typed(address: str, text: str) -> Any:
    section, _, key = address.partition(".")
    known = section in SECTIONS and key in {f.name for f in fields(SECTIONS[section])}
    if known and is_list(section, key):
        return [part.strip() for part in text.split(",") if part.strip()]
    if address == "model.weights":
        pairs = [part.partition(":") for part in text.split(",")]
        if not all(colon for _, colon, _ in pairs):
            raise UsageError(
                "USAGE-SET", f"--set 'weights={text}' has no ':'.", fix="write it as --set weights=NAME:WEIGHT"
            )
        return {name.strip(): weight.strip() for name, _, weight in pairs}
    return text


@cache
def _checker() -> Any:
    """The validator of `Config`; building one takes longer than twenty training steps."""
    from pydantic import TypeAdapter

    return TypeAdapter(Config)


def build(values: Mapping[str, Any], *, where: str = "settings") -> Config:
    """A validated `Config` from nested values.

    Raises: UsageError that names every key that is unknown (with the nearest known one) or out of bounds.
    """
    from pydantic import ValidationError

    try:
        config = _checker().validate_python(_with_null(_by_our_names(values)))
    except ValidationError as error:
        raise _explain(error, where) from None
    try:
        json.dumps(config.as_dict(), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # a file name in another encoding, which TOML cannot store
        near = error.object[max(0, error.start - 20) : error.start + 20]
        raise UsageError(
            "USAGE-SETTING", f"{where}: {near!r} is not Unicode text.", fix="rename that file or column"
        ) from None
    return config


def _by_our_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Renames aliases: `"mse"` becomes `"gaussian"`; options after a comma are kept."""
    renamed = dict(values)
    for address, names in ALIASES.items():
        section, _, key = address.partition(".")
        given = renamed.get(section)
        if isinstance(given, Mapping) and isinstance(given.get(key), str):
            name, comma, options = given[key].partition(",")
            renamed[section] = {**given, key: names.get(name.strip().lower(), name) + comma + options}
    return renamed


def read(path: Path) -> dict[str, Any]:
    """The nested values of a `config.toml`, not validated (`build` does that); older runs get the old behavior.

    Raises: UsageError if the file is missing or is not TOML, with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            "USAGE-CONFIG", f"there is no file {shortened(path)}.", fix="pass the config.toml of a run"
        ) from None
    except OSError as error:
        raise UsageError(
            "USAGE-CONFIG", f"{shortened(path)} cannot be read: {error.strerror}.", fix="pass the config.toml of a run"
        ) from None
    except UnicodeDecodeError as error:
        message = f"{path} is not text in UTF-8: byte {error.start:,} is {error.object[error.start]:#04x}."
        raise UsageError("USAGE-CONFIG", message, fix="save it as UTF-8 in your editor") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> dict[str, Any]:
    """Like `read`, for the text of the file called `where`. Raises: UsageError if it is not TOML, with the line."""
    try:
        values = tomllib.loads(text.removeprefix(MARK))
    except ValueError as error:  # not TOML, or a number with thousands of digits
        raise UsageError("USAGE-CONFIG", f"{where} is not TOML: {error}.", fix="correct that line") from None
    except RecursionError:
        message = f"{where} is nested too deeply: it can contain only sections with names and values."
        raise UsageError("USAGE-CONFIG", message, fix="write it like a config.toml of `isthmus train`") from None
    data = values.get("data")
    return merge(BEFORE, values) if isinstance(data, Mapping) and data.keys() >= OLDEST else values


def write(config: Config) -> str:
    """The text of `config.toml`."""
    lines = [f"recipe = {_toml(config.recipe)}"]
    for section, values in config.as_dict().items():
        if section in SECTIONS:
            lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
        case int() | float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case _:
            return "[" + ", ".join(map(_toml, value)) + "]"


def _with_null(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turns `"none"` back into None, in the fields that may be None."""
    restored = dict(values)
    for section in SECTIONS.keys() & {k for k, v in values.items() if isinstance(v, Mapping)}:
        hints = get_type_hints(SECTIONS[section])
        restored[section] = {
            k: None if v == "none" and type(None) in get_args(hints.get(k)) else v for k, v in values[section].items()
        }
    return restored


def _known_keys() -> list[str]:
    return ["recipe", *(f"{section}.{f.name}" for section, cls in SECTIONS.items() for f in fields(cls))]


def _unknown_key(name: str) -> UsageError:
    """The error for a name that is not a setting, with the nearest one: by its last word, in its own section first."""
    section, _, word = name.rpartition(".")
    known = {key.rpartition(".")[2]: key for key in _known_keys()} | {each: f"{each}.NAME" for each in SECTIONS}
    own = [each for each, key in known.items() if key.startswith(f"{section}.")] if section in SECTIONS else []
    near = get_close_matches(word, own, n=1, cutoff=0.6) or get_close_matches(word, known, n=1, cutoff=0.6)
    listed = ", ".join(own or _known_keys())
    fix = f"did you mean {known[near[0]]!r}?" if near else f"use one of: {listed}."
    return UsageError("USAGE-SETTING", f"there is no setting {name!r}.", fix=fix)


def _brief(value: Any) -> str:
    try:
        return shortened(repr(value))
    except (RecursionError, ValueError):  # nested lists, or a number with thousands of digits
        return "…"


def _explain(error: Any, where: str) -> UsageError:
    """Pydantic's error as one of ours."""
    found = [_problem(item) for item in error.errors(include_url=False)]
    if len(found) == 1:
        return UsageError("USAGE-SETTING", f"{where}: {found[0].message}", fix=found[0].fix)
    problems = [each.message for each in found]
    message = f"{where}: {len(found)} settings are invalid."
    return UsageError("USAGE-SETTING", message, fix=f"correct them; see {HELP}", problems=problems)


def _problem(item: Mapping[str, Any]) -> UsageError:
    """The error for one entry of pydantic's list."""
    *outer, last = item["loc"] or ("",)
    address = shortened(".".join(map(str, [*outer, last])))
    if item["type"] in UNKNOWN:
        return _unknown_key(address)
    if isinstance(last, int):  # a position in a list
        address = f"value {last + 1} of {shortened('.'.join(map(str, outer)))}"
    if item["type"] == "missing":
        message = f"{address} is missing."
    else:
        message = f"{address} is {_brief(item['input'])}, but {rule(item)}."
    return UsageError("USAGE-SETTING", message, fix=f"correct it; see {HELP}")
