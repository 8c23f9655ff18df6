"""Work in threads: order, failures among results, progress."""

from __future__ import annotations

import pytest

from isthmus.system.workers import each, usable_cores


def test_results_and_failures_in_order() -> None:
    told: list[int] = []

    def half(n: int) -> int:
        if n % 2:
            raise ValueError(f"{n} is odd")
        return n // 2

    found = each(half, range(100), told.append)
    assert found[::2] == list(range(50))
    assert [str(error) for error in found[1::2]] == [f"{n} is odd" for n in range(1, 100, 2)]
    assert told == [32, 64, 96, 100]


def test_nothing_to_do() -> None:
    assert each(str, [], lambda _: None) == []


def test_lack_of_memory_is_raised() -> None:
    def fail(_: int) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        each(fail, range(3), lambda _: None)


def test_cores() -> None:
    assert usable_cores() >= 1
