"""Work in threads: order, failures among results, progress."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from isthmus.system.workers import each, in_order, results, usable_cores


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


def test_items_keep_their_order_however_long_each_takes() -> None:
    def late(n: int) -> int:
        time.sleep(0.01 * (3 - n % 4))
        return n * n

    assert list(in_order(late, range(20))) == [(n, n * n) for n in range(20)]
    assert results(late, range(9)) == [n * n for n in range(9)]


def test_few_items_are_taken_in_advance() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(100):
            taken.append(n)
            yield n

    pairs = in_order(str, items())
    for n in range(50):
        assert next(pairs) == (n, str(n))
        assert len(taken) <= n + 1 + usable_cores()
    pairs.close()
    assert len(taken) < 100


def test_the_first_error_in_order_is_raised() -> None:
    def refuse(n: int) -> None:
        time.sleep(0.05 / n)  # the later ones fail sooner
        raise ValueError(str(n))

    with pytest.raises(ValueError, match=r"^1$"):
        results(refuse, range(1, 9))


def test_cores() -> None:
    assert usable_cores() >= 1
