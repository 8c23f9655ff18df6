"""Progress is reported to the listener, in order, and to nobody else."""

from __future__ import annotations

from isthmus.system.progress import count, each, hush, tell, told_to


class Heard:
    def __init__(self) -> None:
        self.events: list[object] = []

    def told(self, text: str) -> None:
        self.events.append(text)

    def counted(self, done: int, total: int) -> None:
        self.events.append((done, total))

    def hushed(self) -> None:
        self.events.append(None)


def test_only_what_is_told_inside_is_heard_and_the_end_hushes() -> None:
    heard = Heard()
    tell("before")
    with told_to(heard):
        tell("work")
        assert list(each("abc", 3)) == ["a", "b", "c"]
        assert list(each("a", 1)) == ["a"]  # a single item needs no counter
        count(7, 9)
        hush()
    tell("after")
    assert heard.events == ["work", (0, 3), (1, 3), (2, 3), (7, 9), None, None]


def test_the_inner_listener_listens_alone() -> None:
    outer, inner = Heard(), Heard()
    with told_to(outer):
        with told_to(inner):
            tell("a")
        tell("b")
    assert (outer.events, inner.events) == (["b", None], ["a", None])
