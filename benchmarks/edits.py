"""How often edits succeed: every ordered pair of classes, each method, on test images that nothing was learned from.

    ISTHMUS_DATA=… python benchmarks/edits.py RUN [RUN …]

Success: a classifier trained on real images assigns the edited image to the target class. Identity: the distance
between the edited image and the original, divided by the distance between the original and a random test image of the
target class.
"""

from __future__ import annotations

import sys

import numpy as np

from isthmus.runs import finding
from isthmus.tools.editing import edits
from isthmus.tools.editing.features import METHODS
from isthmus.tools.sampling.classifier import classifier_of


def main() -> None:
    print("| run | method | success, all pairs | least | 1 to 7 | identity |\n|---|---|---|---|---|---|")
    for path in sys.argv[1:]:
        run = finding.find(path)
        for method in METHODS:
            found = edits.judge_pairs(run, edits.all_pairs(run), method)
            worst = min(found, key=lambda pair: pair.rate)
            one_seven = [pair.rate for pair in found if (pair.away, pair.to) == ("1", "7")]
            cells = [
                f"{np.mean([pair.rate for pair in found]):.1%}",
                f"{worst.rate:.0%} ({worst.away} to {worst.to})",
                *(f"{rate:.0%}" for rate in one_seven),
                f"{np.mean([pair.identity for pair in found]):.2f}",
            ]
            print(f"| {run.path.name} | {method} | {' | '.join(cells)} |", flush=True)
        print(f"classifier: {classifier_of(run).accuracy:.1%} of the test images right", file=sys.stderr)


if __name__ == "__main__":
    main()
