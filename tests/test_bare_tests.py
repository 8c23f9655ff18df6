from __future__ import annotations

from pathlib import Path

from bare_tests import bare_tests

TEXT = """
def test_computes_and_drops():
    1 + 1 == 2

def test_calls_a_checker_that_may_not_check():
    check_that(1)

def test_only_approximates():
    pytest.approx(1.0)

class TestGroup:
    def test_in_a_class(self):
        pass

async def test_waits():
    await something()

def test_asserts():
    for i in range(3):
        if i:
            assert i

def test_raises():
    with pytest.raises(ValueError):
        int("x")

def test_warns():
    with pytest.warns(UserWarning):
        warn()

def test_calls_a_helper():
    helpers.assert_close(1, 1)

def helper():
    pass
"""


def test_tests_that_assert_nothing_are_found(tmp_path: Path) -> None:
    path = tmp_path / "test_some.py"
    path.write_text(TEXT)
    assert bare_tests(path) == {
        "test_computes_and_drops",
        "test_calls_a_checker_that_may_not_check",
        "test_only_approximates",
        "test_in_a_class",
        "test_waits",
    }


def test_none_of_ours_asserts_nothing() -> None:
    found = {path.name: bare_tests(path) for path in Path(__file__).parent.rglob("test_*.py")}
    assert {name: bare for name, bare in found.items() if bare} == {}
