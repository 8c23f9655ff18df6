"""Progress is reported to the listener, in order, and to nobody else."""

from __future__ import annotations

from isthmus.system.progress import count, each, hush, tell, told_to


class Heard:
    def __init__(self) -> None:
        self.events: list[object] = []

    def told(self, text: str) -> None:
        self.events.append(text)

    def counted(self, done: int, total: int, unit: str) -> None:
        self.events.append((unit, done, total))

    def hushed(self) -> None:
        self.events.append(None)


def test_only_what_is_told_inside_is_heard_and_the_end_hushes() -> None:
    heard = Heard()
    tell("before")
    with told_to(heard):
        tell("work")
        assert list(each("abc", 3, "letter")) == ["a", "b", "c"]
        assert list(each("a", 1, "letter")) == ["a"]  # a single item needs no counter
        count(7, 9)
        hush()
    tell("after")
    assert heard.events == ["work", ("letter", 1, 3), ("letter", 2, 3), ("letter", 3, 3), ("", 7, 9), None, None]


def test_the_inner_listener_listens_alone() -> None:
    outer, inner = Heard(), Heard()
    with told_to(outer):
        with told_to(inner):
            tell("a")
        tell("b")
    assert (outer.events, inner.events) == (["b", None], ["a", None])


def test_a_loop_inside_a_counted_loop_is_not_counted() -> None:
    heard = Heard()
    with told_to(heard):
        for _ in each("ab", 2, "column"):
            assert list(each(range(5), 5, "batch")) == [0, 1, 2, 3, 4]
        for _ in each("abc", 3, "column"):
            break  # an interrupted loop no longer silences others
        assert len(list(each("de", 2, "batch"))) == 2
    columns = [("column", 1, 2), ("column", 2, 2), ("column", 1, 3)]
    assert heard.events == [*columns, ("batch", 1, 2), ("batch", 2, 2), None]
