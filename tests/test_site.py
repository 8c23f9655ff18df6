"""The documentation site builds without a network, and every command and snippet on its pages runs unchanged."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.tools.sampling import classifier

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONSOLE = re.compile(r"^```console\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
SHORT = ["--epochs", "1", "--limit", "400"]  # trainings on the pages are shortened to this; nothing else is changed
PAGES = sorted(path for path in DOCS.glob("*.md") if CONSOLE.search(path.read_text("utf-8")))


def commands(page: Path) -> list[str]:
    blocks = CONSOLE.findall(page.read_text("utf-8"))
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("$ isthmus ") for line in lines), page.name
    return [line.removeprefix("$ ") for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files that the pages mention."""
    rng = np.random.default_rng(0)
    photograph = pytest.importorskip("skimage").data.astronaut()
    for folder in ("photos", "noisy", "clean"):
        (tmp_path / folder).mkdir()
    for i in range(24):
        y, x = rng.integers(0, 512 - 96, size=2)
        clean = photograph[y : y + 96, x : x + 64 + 2 * i]
        noisy = np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)
        Image.fromarray(clean).save(tmp_path / "photos" / f"{i}.png")
        Image.fromarray(clean).save(tmp_path / "clean" / f"{i}.png")
        Image.fromarray(noisy).save(tmp_path / "noisy" / f"{i}_1.png")
    Image.fromarray(photograph[:200, :150]).save(tmp_path / "photo.jpg", quality=95)
    orders(rng, 500).write_csv(tmp_path / "orders.csv")
    orders(rng, 50).write_csv(tmp_path / "new-orders.csv")
    return tmp_path


def orders(rng: np.random.Generator, n: int) -> pl.DataFrame:
    """A typical table: times, categories, counts, numbers and gaps."""
    amount = rng.poisson(3, n) + 1
    product = rng.choice(["tea", "coffee", "cocoa"], n)
    price = np.array([{"tea": 4.0, "coffee": 6.5, "cocoa": 5.25}[p] for p in product]) * amount
    columns = {
        "ordered": [f"2025-{1 + i * 12 // n:02d}-{1 + i % 28:02d} {8 + i % 10:02d}:30" for i in range(n)],
        "product": [p if rng.random() > 0.05 else None for p in product],
        "region": rng.choice(["north", "south"], n),
        "amount": amount,
        "price": [round(float(p), 2) if rng.random() > 0.05 else None for p in price],
        "gift": rng.choice(["yes", "no"], n),
    }
    return pl.DataFrame(columns)


@pytest.mark.timeout(1800)  # for a busy machine; on an idle one the longest page takes a minute
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # from the libraries below, which users may see
def test_what_a_page_says_can_be_done_from_top_to_bottom(
    page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs it in this process: a new one would import PyTorch again, 2 to 3 s, twice as long as most commands take."""
    monkeypatch.chdir(desk)
    monkeypatch.setattr(classifier, "STEPS", 50)  # instead of 1,000: the judge of samples need not be good here
    for line in commands(page):
        words = shlex.split(line)[1:]
        words += SHORT if words[0] == "train" and "training.steps" not in line else []
        code = run_guarded(build_app(), words)
        assert code == 0, f"{page.name}: {line}\n{capsys.readouterr().err}"
        out = words[words.index("-o") + 1] if "-o" in words else None
        assert out is None or (desk / out).exists() or list(desk.glob(f"{Path(out).stem}*")), line
    for snippet in PYTHON.findall(page.read_text("utf-8")):
        exec(compile(snippet, page.name, "exec"), {"__name__": "__main__"})


def test_the_pages_are_in_the_site_and_have_commands() -> None:
    names = re.findall(r"([\w-]+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert sorted(names) == sorted(path.name for path in DOCS.glob("*.md"))
    assert {"index", "grain", "odd-rows", "gaps", "embeddings", "edits"} <= {page.stem for page in PAGES}


def test_the_site_is_built_strictly_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    for name in ("docs", "src", "mkdocs.yml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "site").glob("*.html")}
    assert {"index.html", "reference.html", "commands.html"} <= set(pages)
    assert "isthmus.api.train" in pages["reference.html"]
    fetched = r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=\"?(https?:[^\"\s>]+)"
    found = {name: [url for url in re.findall(fetched, text) if "canonical" not in url] for name, text in pages.items()}
    assert {name: urls for name, urls in found.items() if urls} == {}
