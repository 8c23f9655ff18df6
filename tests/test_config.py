from __future__ import annotations

from dataclasses import fields, replace

import pytest

from isthmus.config import SECTIONS, Config, help_of


def test_no_name_stands_in_two_sections_or_bare_names_would_be_ambiguous() -> None:
    names = [f.name for cls in SECTIONS.values() for f in fields(cls)]
    assert len(names) == len(set(names))


def test_every_setting_has_a_text_for_the_help() -> None:
    for section, cls in SECTIONS.items():
        for field in fields(cls):
            assert help_of(section, field.name).endswith("."), field.name


def test_a_configuration_cannot_be_changed_in_place() -> None:
    config = Config()
    with pytest.raises(AttributeError):
        config.recipe = "seed"  # type: ignore[misc]
    assert replace(config, recipe="seed").recipe == "seed"
