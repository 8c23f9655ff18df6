"""Headers and values of .npy data, against numpy's own writer."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy_format

from isthmus.data.arrays.npy import plain, read_header, read_values, refuse_kind
from isthmus.data.inputs import Reader
from isthmus.errors import DataError


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def loaded(content: bytes, *, most_bytes: int | None = None, allow_trailing: bool = False) -> np.ndarray:
    file = Reader(io.BytesIO(content), "a.npy")
    header = read_header(file, what="the array")
    most = len(content) if most_bytes is None else most_bytes
    return read_values(file, header, what="the array", most_bytes=most, allow_trailing=allow_trailing)


@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "<f2", ">f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_saved(dtype: str, order: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=dtype, order=order)  # type: ignore[call-overload]
    found = loaded(saved(array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([{}], object), "holds Python objects"),
        (np.array(["a"]), "holds strings"),
        (np.zeros(2, complex), "holds complex numbers"),
        (np.zeros(2, "M8[s]"), "holds dates"),
        (np.zeros(2, "m8[s]"), "holds time spans"),
        (np.zeros(2, [("a", "f4")]), "holds records"),
    ],
)
def test_fault_27_values_that_are_no_numbers(array: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=f"array 'x' {words}") as e:
        refuse_kind(array.dtype, "array 'x'")
    assert "save" in str(e.value.fix)


def test_fault_05_header_claiming_terabytes() -> None:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
    with pytest.raises(DataError, match=r"declares 800,000,000,128 bytes \(800\.0 GB\)"):
        loaded(stream.getvalue() + bytes(100))


@pytest.mark.parametrize(
    "shape", ["(True, 4)", "(2, False)", f"({'1,' * 100})", f"({'1' * 400}, 4)", "(2.0, 2)", "(-1,)"]
)
def test_fault_113_a_header_whose_shape_no_array_has(shape: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(4)
    with pytest.raises(DataError, match="the header of the array") as caught:
        loaded(content)
    assert (caught.value.code, caught.value.exit_code) == ("DATA-DAMAGED", 3)
    assert len(caught.value.message) < 400


def test_cut_and_trailing() -> None:
    whole = saved(np.arange(10))
    with pytest.raises(DataError, match="it is truncated"):
        loaded(whole[:-1], most_bytes=1000)
    with pytest.raises(DataError, match="more bytes follow the 208") as e:
        loaded(whole + b"x")
    assert "--allow-trailing" in str(e.value.fix)
    np.testing.assert_array_equal(loaded(whole + b"x", allow_trailing=True), np.arange(10))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_an_error_or_an_array(data: st.DataObject) -> None:
    changed = bytearray(saved(np.arange(12, dtype=np.uint8).reshape(3, 4)))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    try:
        n_bytes = loaded(cut).nbytes
    except DataError:
        n_bytes = 0
    assert n_bytes <= 12


def test_masked_values_become_nan_and_ragged_lists_are_refused() -> None:
    np.testing.assert_array_equal(plain(np.ma.masked_equal([1, 2, 3], 2)), [1, np.nan, 3])
    np.testing.assert_array_equal(plain(np.ma.array([1, 2])), [1, 2])
    with pytest.raises(DataError, match="the values do not form an array"):
        plain([[1, 2], [3]])
