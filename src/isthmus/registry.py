"""Registries of parts: a dict of name -> factory for each kind, and the short text that selects and sets a part.

`"gaussian:0.5,clip=false"` names a factory, gives its first argument, and sets others. Only names in the registry
and plain values are accepted, so that a configuration can never name code to import.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from isthmus.errors import UsageError, unknown
from isthmus.wording import shortened

T = TypeVar("T")
KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number"}  # types of settings that are checked


def parse(text: str) -> tuple[str, str | None, dict[str, str]]:
    """`"gaussian:0.5,clip=false"` -> `("gaussian", "0.5", {"clip": "false"})`."""
    head, *pairs = [part.strip() for part in text.split(",")]
    name, colon, first = head.partition(":")
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            fix = f"write it as {head},{pair}=VALUE" if pair else "remove one comma"
            raise UsageError("USAGE-PART", f"{text!r}: {pair!r} has no '='.", fix=fix)
        options[key.strip()] = value.strip()
    return name.strip(), first.strip() if colon else None, options


def is_on(text: str, name: str) -> bool:
    """Whether the part that `text` describes has its setting `name` set to true."""
    return plain(parse(text)[2].get(name, "")) is True


def joined(text: str) -> list[str]:
    """`"sigmoid+noise:0.1"` -> `["sigmoid", "noise:0.1"]`; the plus of a number such as 1e+3 does not separate."""
    return [part.strip() for part in re.split(r"\+(?=\s*[a-z])", text)]


def alternatives(text: str) -> list[str]:
    """`"gaussian:0-0.2|grain:0-0.1"` -> `["gaussian:0-0.2", "grain:0-0.1"]`."""
    return [part.strip() for part in text.split("|")]


def build(what: str, registry: Mapping[str, Callable[..., T]], text: str, **context: Any) -> T:
    """Builds the part that `text` names; `context` gives arguments that come from elsewhere (a shape, a range).

    Raises: UsageError for an unknown name or argument (suggesting the nearest), or a value that the factory refuses.
    """
    name, first, options = parse(text)
    if name not in registry:
        raise unknown(what, name, registry)
    factory = registry[name]
    parameters = {
        name: p
        for name, p in inspect.signature(factory).parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    arguments = [p for p in parameters if p not in context]
    if first is not None:
        if not arguments:
            raise UsageError(
                "USAGE-PART", f"{what} {name!r} takes no level, but {text!r} has one.", fix=f"write {name!r}"
            )
        options = {arguments[0]: first} | options
    for key in options.keys() - set(arguments):
        if not arguments:
            raise UsageError("USAGE-PART", f"{what} {name!r} has no setting {key!r}.", fix=f"write {name!r}")
        raise unknown(f"setting of {what} {name!r}:", key, arguments)
    missing = [p for p in arguments if p not in options and parameters[p].default is inspect.Parameter.empty]
    if missing:
        raise UsageError("USAGE-PART", f"{what} {name!r} needs a {missing[0]}.", fix=usage(factory))
    accepted = {k: v for k, v in context.items() if k in parameters}
    try:
        return factory(**{k: _typed(k, v, parameters[k].annotation) for k, v in options.items()}, **accepted)
    except (ValueError, TypeError, OverflowError) as error:
        message = f"{what} {shortened(repr(text))}: {shortened(str(error))}"
        message += "" if message.endswith("?") else "."
        raise UsageError("USAGE-PART", message, fix=usage(factory)) from None


def _typed(key: str, text: str, annotation: Any) -> Any:
    """The text as a value of the type that the setting `key` is annotated with; text itself if that is allowed.

    Raises: ValueError for another type: `clip=no` would count as true, because the text is not empty.
    """
    value, kinds = plain(text), str(annotation).split(" | ")
    if not set(kinds) <= KINDS.keys():
        return value
    if isinstance(value, float) and value.is_integer() and "float" not in kinds:
        value = int(value)
    if type(value).__name__ not in kinds and not (type(value) is int and "float" in kinds):
        raise ValueError(f"{key} must be {' or '.join(KINDS[kind] for kind in kinds)}, not {text!r}")
    return value


def plain(text: str) -> Any:
    """The text as a number or a boolean, if it is one; else the text itself."""
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def usage(factory: Callable[..., Any]) -> str:
    """One line on how to write a part, from the first line of its docstring."""
    return f"follow this form: {(inspect.getdoc(factory) or '').partition(chr(10))[0]}"
