"""`hub:NAME` from a server on this machine that answers as the Hugging Face Hub does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

import hub_server

pytest.importorskip("datasets", reason="the package datasets is not installed: pip install 'isthmus[hub]'")
ROWS = {
    split: [list(row) for row in zip(*columns.values(), strict=True)] for split, columns in hub_server.COLUMNS.items()
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    given = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, hub_server.__file__, tmp_path_factory.mktemp("hub")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_splits_of_the_hub_are_the_two_parts(found: Any) -> None:
    assert found["hub:me/tiny"] == {"train": ROWS["train"], "test": ROWS["test"]}
    assert found["hub:me/tiny@test"] == {"train": ROWS["test"], "test": None}


def test_what_was_fetched_once_is_read_again_without_the_hub(found: Any) -> None:
    assert found["fetched"] == 2
    assert found["again"] == found["hub:me/tiny"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("hub:me/none", "DATA-SOURCE", "not found on the Hugging Face Hub, or private"),
        ("hub:me/gated", "DATA-SOURCE", "hub:me/gated is available only to users whom its owners have approved."),
        ("hub:me/tiny@dev", "DATA-HUB", "Unknown split \"dev\". Should be one of ['train', 'test']."),
        ("hub:me/tiny#large", "DATA-HUB", "'large' not found. Available: ['default']"),
        ("away", "DATA-DOWNLOAD", "there is no such folder here, and the Hugging Face Hub cannot be reached."),
    ],
)
def test_fault_32_what_the_hub_answers_is_told_in_words(name: str, code: str, said: str, found: Any) -> None:
    assert (found[name]["code"], found[name]["exit_code"]) == (code, 3)
    assert said in found[name]["message"]
