"""`report.html`: one page about a run, or about several runs, that opens offline and makes no network requests.

`run_data.py` has all data of a run, the section modules select and explain it, and `page.py` fills the templates.
Nothing here finds or reads run folders; `isthmus.pipeline.reporting` does that.
"""

from isthmus.report.comparison import compare
from isthmus.report.order import compose
from isthmus.report.page import render
from isthmus.report.run_data import RunData

__all__ = ["RunData", "compare", "compose", "render"]
