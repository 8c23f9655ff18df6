"""Only what was asked for is put together, and nothing of it is missing."""

from __future__ import annotations

from typing import Any

from typer.main import get_command

from isthmus import cli
from isthmus.cli import build_app


def test_each_command_is_registered_by_the_module_that_is_named_for_it() -> None:
    def names(app: Any) -> set[str]:
        return set(get_command(app).commands)  # type: ignore[attr-defined]

    everything = {name for held in cli.COMMANDS.values() for name in held}
    assert names(build_app()) == names(build_app("nonsense")) == everything
    for held in cli.COMMANDS.values():
        assert all(names(build_app(name)) == set(held) for name in held)
