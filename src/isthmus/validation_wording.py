"""Our words for what pydantic finds wrong with a value: one rule for each type of error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.wording import counted

# By pydantic's types of errors, or their first words; names in braces are in the context of the error.
RULES = {
    "bool": "must be true or false",
    "dataclass": "must be a section with names and values",
    "dict": "must be names with values",
    "finite": "must be a finite number",
    "float": "must be a number",
    "int": "must be a whole number",
    "list": "must be a list",
    "string": "must be text",
    "tuple": "must be a list",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_long": "must have at most {most_values}, not {actual_length}",
    "too_short": "must have at least {least_values}, not {actual_length}",
    "string_too_long": "must have at most {most_characters}",
    "string_too_short": "must have at least {least_characters}",
}


def rule(error: Mapping[str, Any]) -> str:
    """What an entry of `ValidationError.errors()` requires of its value, such as "must be at least 1"; no period.

    A type of error that is not in RULES keeps pydantic's own words.
    """
    kind, context = error["type"], dict(error.get("ctx") or {})
    words = RULES.get(kind) or RULES.get(kind.partition("_")[0])  # "int_type", "int_parsing", … start with "int"
    if words is None:
        return str(error["msg"]).rstrip(".").replace("Input should be", "must be")
    for name, length in (("least", context.get("min_length")), ("most", context.get("max_length"))):
        if length is not None:
            context |= {f"{name}_values": counted(length, "value"), f"{name}_characters": counted(length, "character")}
    return words.format(**{name: _written(value) for name, value in context.items()})


def _written(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


__all__ = ["rule"]
