"""The rules for values that pydantic refuses, for every type of error that settings and requests can cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import TypeAdapter, ValidationError

from isthmus.validation_wording import rule


def refused(kind: Any, value: Any) -> Mapping[str, Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value.errors()[0]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (int, "x", "must be a whole number"),
        (int, None, "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (float, "x", "must be a number"),
        (float, None, "must be a number"),
        (bool, "x", "must be true or false"),
        (bool, None, "must be true or false"),
        (str, 1, "must be text"),
        (list[int], 1, "must be a list"),
        (tuple[int, ...], 1, "must be a list"),
        (dict[str, int], 1, "must be names with values"),
        (Annotated[int, Ge(1_000)], 0, "must be at least 1,000"),
        (Annotated[float, Gt(0.5)], 0, "must be more than 0.5"),
        (Annotated[int, Le(65_536)], 10**6, "must be at most 65,536"),
        (Annotated[float, Lt(1.0)], 1, "must be less than 1"),
        (Annotated[list[int], MinLen(1)], [], "must have at least 1 value, not 0"),
        (Annotated[list[int], MaxLen(2)], [1, 2, 3], "must have at most 2 values, not 3"),
        (Annotated[str, MinLen(1)], "", "must have at least 1 character"),
        (Annotated[str, MaxLen(2)], "abc", "must have at most 2 characters"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (bytes, 1, "must be a valid bytes"),  # no rule of ours
    ],
)
def test_every_rule_is_in_plain_words(kind: Any, value: Any, words: str) -> None:
    assert rule(refused(kind, value)) == words
