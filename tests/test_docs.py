"""The documents are correct: the README's example, its commands, its tables, links, and the table of faults."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import isthmus
from fault_table import by_fault, table, written
from isthmus import errors
from isthmus.cli import build_app
from isthmus.settings import parse_sets

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "isthmus"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
NUMBER = re.compile(r"\d+\.\d+")
COMMAND = re.compile(r"`(isthmus [^`\n]+)`|^ +(isthmus .+)$", flags=re.MULTILINE)
PICTURE_BYTES = 150_000
APP: Any = typer.main.get_command(build_app())
GROUPS = [[name] for name, command in APP.commands.items() if hasattr(command, "commands")]


def leaves(command: Any = APP) -> Iterator[Any]:
    """Every command; `feature` is only a group."""
    for child in getattr(command, "commands", {}).values():
        yield from leaves(child) if hasattr(child, "commands") else [child]


def named(words: list[str]) -> tuple[Any, list[str]]:
    """(the command at the beginning of the words or None, its arguments)."""
    command = APP
    while hasattr(command, "commands"):
        command, words = command.commands.get(words[0]) if words else None, words[1:]
    return command, words


class ReadmeRun(NamedTuple):
    """A real run of the README's example: its output, and its run folder."""

    printed: str
    path: Path


@pytest.fixture(scope="module")
def readme_run(tmp_path_factory: pytest.TempPathFactory) -> ReadmeRun:
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, str(ROOT / "examples" / "quick.py")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return ReadmeRun(done.stdout, next((folder / "runs").iterdir()))


def block(language: str) -> str:
    """The first code block of the README in this language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, f"the README has no block of {language}"
    return found[1]


def rows(head: str) -> list[list[str]]:
    """The cells of the README's table with this header."""
    found = re.search(rf"^{re.escape(head)}\n\|[-|]+\n((?:\|.*\n)+)", README, flags=re.MULTILINE)
    assert found is not None, f"the README has no table {head}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


def commands() -> list[tuple[str, str]]:
    """(document, command line) for every `isthmus …` in the documents and in the program's help."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        found += [(path.name, first or second) for first, second in COMMAND.findall(text)]
    for command in leaves():
        found += [
            (f"{command.name} --help", line)
            for line in re.findall(r"^ +(isthmus .+?)(?: {2,}.*)?$", command.help, re.M)
        ]
    return found


def test_the_example_is_eight_lines_before_line_25() -> None:
    code, lines = block("python"), README.splitlines()
    assert len(code.splitlines()) == 8
    assert lines.index(block("text").splitlines()[-1]) < 24  # counted from 0
    example = (ROOT / "examples" / "quick.py").read_text("utf-8")
    assert example.partition('"""\n\n')[2] == code


def test_the_example_prints_what_the_readme_shows(readme_run: ReadmeRun) -> None:
    promised = block("text")
    assert NUMBER.sub("#", readme_run.printed) == NUMBER.sub("#", promised)
    ours, pca = map(float, NUMBER.findall(readme_run.printed))
    assert ours < pca
    # Other processors round differently and give other weights; a tenth of the error is far more than that.
    assert [ours, pca] == pytest.approx([float(n) for n in NUMBER.findall(promised)], rel=0.1)


def test_the_run_folder_holds_what_the_readme_lists(readme_run: ReadmeRun) -> None:
    listed = {cells[0].strip("`/") for cells in rows("| file | holds |")}
    found = {path.name for path in readme_run.path.iterdir() if not path.name.startswith(".")}
    assert listed - {"denoising.png"} == found  # the example is no denoiser


def test_exit_codes_are_those_of_the_errors() -> None:
    meanings = dict(rows("| exit code | means |"))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.IsthmusError)]
    codes = {c.exit_code for c in classes}
    assert {int(code) for code in meanings if code.isdigit()} == codes | {0}
    assert meanings["3"] == "bad data"
    assert errors.DataError.exit_code == 3


@pytest.mark.parametrize(("where", "line"), commands())
def test_commands_can_be_typed(where: str, line: str) -> None:
    words = shlex.split(re.sub(r"\bN\b", "3", line).replace("[", "").replace("]", ""), comments=True)[1:]
    if words[0] == "COMMAND" or words[0].startswith("--") or words in GROUPS:
        return
    command, arguments = named(words)
    assert command is not None, f"{where}: there is no command {line}"
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    options = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    assert set(options) <= known, f"{where}: {line}"
    if "…" not in line and "--help" not in options and len(arguments) > 0:
        context = command.make_context(words[0], arguments)  # parses only: types, choices, what is required
        parse_sets(context.params.get("sets") or [])  # the names of settings


def test_there_are_commands_to_check() -> None:
    documents = {where for where, _ in commands()}
    assert {"README.md", "train --help", "benchmarks.md"} <= documents


@pytest.mark.parametrize("name", sorted(APP.commands))
def test_every_command_is_in_the_list_of_commands(name: str) -> None:
    assert f"isthmus {name}" in (ROOT / "docs" / "commands.md").read_text("utf-8")


def test_options_named_in_the_documents_exist() -> None:
    known = {flag for c in leaves() for p in c.params for flag in (*p.opts, *p.secondary_opts)}
    others = {
        "--check",
        "--every",
        "--others",
        "--requests",
        "--rounds",
        "--run",
        "--images",
        "--splits",
        "--help",
        "--install-completion",
        "--strict",
    }  # of ruff and of benchmarks, and of the program as a whole
    launchers = {"--standalone", "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id"}
    others |= launchers | {
        "--nodes",
        "--ntasks-per-node",
        "--gpus-per-node",
        "--signal",
        "--data",
    }  # of torchrun, Slurm, prlimit
    others |= {
        "--data",
        "--gigabytes",
        "--buffer",
        "--goal",
        "--pyod",
        "--rows",
        "--task",
        "--wheel",
    }  # prlimit, benchmarks, build
    named = {flag for path in DOCUMENTS for flag in re.findall(r"(?<![\w-])--[a-z][\w-]+", path.read_text("utf-8"))}
    assert named - known - others == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith("http")]
    broken = []
    for target in targets:
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.M) if anchor else []
        slugs = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
        broken += [target] if not there.exists() or (anchor and anchor not in slugs) else []
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_names_in_the_documents_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    files = re.findall(r"`((?:src|tests|docs|examples|benchmarks)/[\w./-]+\.(?:py|md|ipynb|png))`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
    spans = re.findall(r"`([^`\n]+)`", text)
    modules = [path for span in spans for path in re.findall(r"(?<![\w/])(?:\w+/)+\w+\.py\b", span)]
    assert [path for path in modules if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []
    names = re.findall(r"`isthmus\.(\w+)", text)
    assert [name for name in names if name not in isthmus.__all__] == []


def test_every_command_has_its_function_in_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text.partition("| command | its function |\n")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split(" | ")] for row in table]
    assert sorted(name for names, _ in cells for name in names) == sorted(APP.commands)
    assert [file for _, files in cells for file in files if not (PACKAGE / file).is_file()] == []
    assert all(files for _, files in cells)


def test_python_in_the_readme_is_python() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert [type(ast.parse(code)) for code in blocks] == [ast.Module] * len(blocks)
    inline = re.findall(r"`((?:isthmus|monitor)\.\w+\([^`]*\))`", README)
    assert len(inline) > 5
    assert [type(ast.parse(code)) for code in inline] == [ast.Module] * len(inline)


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"`make (\w+)", path.read_text("utf-8"))}
    assert {"run", "test", "lint"} <= named <= targets


def test_pictures_are_small_and_shown() -> None:
    pictures = [p for p in (ROOT / "docs" / "pictures").iterdir() if p.is_file()]
    assert {p.name: p.stat().st_size for p in pictures if p.stat().st_size > PICTURE_BYTES} == {}
    texts = "".join(path.read_text("utf-8") for path in DOCUMENTS)
    assert [p.name for p in pictures if p.name not in texts] == []


def test_the_table_of_faults_is_up_to_date() -> None:
    tests = by_fault()
    found = {number: cell for number, _, _, cell in table()}
    numbers = list(found)
    assert numbers[:86] == list(range(1, 87))
    assert numbers == sorted(set(numbers))
    stale = [number for number in found if found[number] != written(tests.get(number, []))]
    assert stale == [], "run `python tests/fault_table.py`"


def test_every_fault_has_a_test_or_no_feature_yet() -> None:
    assert [number for number, _, done, cell in table() if not cell and not done.startswith("not yet")] == []
