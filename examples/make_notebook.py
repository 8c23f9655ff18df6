"""Write `lesson.ipynb` from `lesson.py`: a heading and a cell for each `# %%` of the script, without outputs.

python examples/make_notebook.py [-o lesson.ipynb]
"""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).parent


def make(script: str) -> nbformat.NotebookNode:
    """The notebook of a script whose sections start with `# %% Title`."""
    title = (ast.get_docstring(ast.parse(script)) or "").splitlines()[0]
    cells = [new_markdown_cell(f"# {title}")]
    for heading, code in re.findall(r"^# %% (.+)\n((?:(?!# %%).*\n?)*)", script, flags=re.MULTILINE):
        cells += [new_markdown_cell(f"## {heading}"), new_code_cell(code.strip())]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:02}"  # the same every time; nbformat would use a random id
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--out", type=Path, default=HERE / "lesson.ipynb")
    options = parser.parse_args()
    notebook = make((HERE / "lesson.py").read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    nbformat.write(notebook, options.out)
    print(f"{len(notebook.cells)} cells written to {options.out}")


if __name__ == "__main__":
    main()
