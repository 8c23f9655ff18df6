"""Freed memory stays with the process as long as requested, and no longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from isthmus.system import heap
from isthmus.system.heap import kept_memory, small_pages

SIZE = 96 * 2**20  # above what glibc ever keeps by itself
# In a separate process, whose memory is not fragmented.
MEASURED = f"""
import json
from isthmus.system.heap import kept_memory
from isthmus.system.memory import resident_bytes

def used():
    bytearray(b"1") * {SIZE}
    return resident_bytes()

found = [resident_bytes(), used()]
with kept_memory():
    found += [used(), used()]
print(json.dumps([*found, resident_bytes(), used()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are left as they are")
def test_memory_that_is_freed_is_kept_within_and_given_back_at_the_end() -> None:
    told = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True).stdout
    before, *found = json.loads(told)
    outside, first, second, after, later = (amount - before for amount in found)
    assert outside < 0.5 * SIZE
    assert first > 0.9 * SIZE
    assert second < first + 0.5 * SIZE, "the second took the place of the first"
    assert after < 0.5 * SIZE
    assert later < 0.5 * SIZE, "afterwards nothing is kept"


def test_where_the_c_library_has_no_such_call_all_goes_on_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.sys, "platform", "win32")
    done = []
    with kept_memory():
        done.append(1)
    assert done == [1]


def test_where_the_c_library_keeps_no_more_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def refuses(*asked: int) -> int:
        called.append(asked)
        return 0

    monkeypatch.setattr(heap, "_glibc", lambda _: refuses)
    with kept_memory():
        assert called == [(heap.M_MMAP_THRESHOLD, heap.KEPT)]
    assert len(called) == 1


@pytest.mark.parametrize("shape", [(3, 50), (1,), (0, 7), (5, 0)])
def test_an_array_in_pages_of_the_usual_size_holds_what_is_written(shape: tuple[int, ...]) -> None:
    found = small_pages(shape)
    assert (found.shape, found.dtype, found.any()) == (shape, np.float64, False)
    if found.size:
        found[...] = np.arange(found.size).reshape(shape)
        assert found.sum() == found.size * (found.size - 1) / 2


def test_an_array_larger_than_all_memory_is_refused_as_by_numpy() -> None:
    for shape in ((2**40, 2**10), (2**50, 2**30)):
        with pytest.raises(MemoryError, match="bytes of memory for an array"):
            small_pages(shape)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a forked process")
def test_a_forked_process_does_not_change_the_array() -> None:
    found = small_pages((3, 4))
    child = os.fork()
    if not child:
        found[...] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not found.any()
