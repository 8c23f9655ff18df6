from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import UsageError
from isthmus.registry import build, parse, plain


class Shout:
    """shout:LEVEL says it LEVEL times."""

    def __init__(self, level: float, *, loud: bool = False, range: Any = None) -> None:
        if level == 13:
            raise ValueError("the level 13 is not allowed")
        self.level, self.loud, self.range = level, loud, range


class Rest:
    """rest: says nothing."""


PARTS = {"shout": Shout, "rest": Rest}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("none", ("none", None, {})),
        ("gaussian:0.5", ("gaussian", "0.5", {})),
        (" gaussian : 0.1-0.8 , clip = false ", ("gaussian", "0.1-0.8", {"clip": "false"})),
        ("bernoulli,output=probabilities", ("bernoulli", None, {"output": "probabilities"})),
        ("a:", ("a", "", {})),
        ("", ("", None, {})),
    ],
)
def test_a_part_is_a_name_a_first_argument_and_others(text: str, parsed: tuple) -> None:
    assert parse(text) == parsed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("true", True),
        ("False", False),
        ("0.1-0.8", "0.1-0.8"),
        ("os", "os"),
    ],
)
def test_values_are_numbers_truths_or_text(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_a_part_is_built_with_its_arguments_and_what_its_surroundings_give() -> None:
    part = build("voice", PARTS, "shout:2,loud=true", range=(0, 1), shape=(3,))
    assert (part.level, part.loud, part.range) == (2, True, (0, 1))
    assert isinstance(build("voice", PARTS, "rest", range=(0, 1)), Rest)


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("shuot:2", "unknown voice 'shuot'.", "did you mean 'shout'? Known: rest, shout."),
        ("os.system:1", "unknown voice 'os.system'.", "use one of: rest, shout."),
        ("shout", "voice 'shout' needs a level.", "shout:LEVEL says it LEVEL times."),
        ("rest:1", "voice 'rest' takes no level, but 'rest:1' has one.", "write 'rest'"),
        ("shout:2,luod=true", "unknown setting of voice 'shout': 'luod'.", "did you mean 'loud'? Known: level, loud."),
        ("shout:2,loud", "'shout:2,loud': 'loud' has no '='.", "write it as shout:LEVEL,name=value"),
        ("shout:13", "voice 'shout:13': the level 13 is not allowed.", "shout:LEVEL says it LEVEL times."),
        ("shout:2,range=1", "unknown setting of voice 'shout': 'range'.", "use one of: level, loud."),
        ("", "unknown voice ''.", "use one of: rest, shout."),
    ],
)
def test_what_cannot_be_built_says_why_and_what_can(text: str, message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        build("voice", PARTS, text, range=None)
    assert caught.value.message == message
    assert fix in str(caught.value.fix)
