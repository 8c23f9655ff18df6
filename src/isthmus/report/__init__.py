"""`report.html`: one page about a run, or about several, that opens offline and asks nothing of anybody.

`run_data.py` holds what is known about a run, the section modules choose what is told about it and how it is read,
`page.py` puts it into the templates. Nothing here finds or reads run folders; `isthmus.pipeline.reporting` does.
"""

from isthmus.report.comparison import compare
from isthmus.report.order import compose
from isthmus.report.page import render
from isthmus.report.run_data import RunData

__all__ = ["RunData", "compare", "compose", "render"]
