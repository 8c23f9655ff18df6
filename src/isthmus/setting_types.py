"""The types of the settings, with their bounds."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, Lt

Count = Annotated[int, Ge(1), Le(1_000_000_000)]
Fraction = Annotated[float, Ge(0.0), Le(1.0)]
Beta = Annotated[float, Ge(0.0), Lt(1.0)]  # at 1 a running average would never move
Weight = Annotated[float, Ge(0.0), Le(1e9)]
Width = Annotated[int, Ge(1), Le(65_536)]  # a wider layer is a typing mistake

STRICT = {"extra": "forbid"}  # read by pydantic
