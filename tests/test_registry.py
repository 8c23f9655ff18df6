from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import UsageError
from isthmus.registry import build, is_on, parse, plain


class Shout:
    """shout:LEVEL says it LEVEL times."""

    def __init__(self, level: float, *, loud: bool = False, times: int = 1, range: Any = None) -> None:
        if level == 13:
            raise ValueError("the level 13 is not allowed")
        if level == 14:
            raise ValueError("did you mean 13?")
        self.level, self.loud, self.times, self.range = level, loud, times, range


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
        (
            "shout:2,luod=true",
            "unknown setting of voice 'shout': 'luod'.",
            "did you mean 'loud'? Known: level, loud, times.",
        ),
        ("shout:2,loud", "'shout:2,loud': 'loud' has no '='.", "write it as shout:2,loud=VALUE"),
        ("shout:2,", "'shout:2,': '' has no '='.", "remove one comma"),
        ("shout:13", "voice 'shout:13': the level 13 is not allowed.", "follow this form: shout:LEVEL says it LEVEL"),
        ("shout:14", "voice 'shout:14': did you mean 13?", "follow this form: shout:LEVEL says it LEVEL times."),
        ("rest,loud=true", "voice 'rest' has no setting 'loud'.", "write 'rest'"),
        ("shout:2,range=1", "unknown setting of voice 'shout': 'range'.", "use one of: level, loud, times."),
        ("", "unknown voice ''.", "use one of: rest, shout."),
    ],
)
def test_what_cannot_be_built_says_why_and_what_can(text: str, message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        build("voice", PARTS, text, range=None)
    assert caught.value.message == message
    assert fix in str(caught.value.fix)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("shout:2,loud=no", "loud must be true or false, not 'no'."),
        ("shout:2,loud=1", "loud must be true or false, not '1'."),
        ("shout:often", "level must be a number, not 'often'."),
        ("shout:true", "level must be a number, not 'true'."),
        ("shout:2,times=1.5", "times must be a whole number, not '1.5'."),
        ("shout:2,times=nan", "times must be a whole number, not 'nan'."),
    ],
)
def test_fault_186_a_setting_of_another_type_is_refused_in_words(text: str, rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        build("voice", PARTS, text)
    assert caught.value.message == f"voice {text!r}: {rule}"


def test_whole_numbers_may_be_written_with_an_exponent() -> None:
    part = build("voice", PARTS, "shout:2,times=1e3")
    assert (part.times, type(part.times), part.level) == (1_000, int, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [("mlp", False), ("mlp,shortcut=true", True), ("mlp,shortcut=True", True), ("mlp, shortcut = false", False)],
)
def test_a_setting_is_on_however_true_is_written(text: str, found: bool) -> None:
    assert is_on(text, "shortcut") is found
