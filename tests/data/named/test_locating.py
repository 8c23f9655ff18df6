"""Sets by name: found where people keep them, fetched if not, EMNIST upright with its letters."""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.util
import os
import re
import struct
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.config import DataConfig
from isthmus.data.named import catalog
from isthmus.data.named.catalog import NAMED_SETS, NAMES, Remote
from isthmus.data.named.locating import cache_folder, data_folders, read_named
from isthmus.errors import DataError, UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 5, 4), dtype=np.uint8)
LABELS = np.array([3, 1, 9, 0, 2, 2, 7, 5], dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def contents(name: str, first_label: int = 0) -> dict[str, bytes]:
    """The four files of a set, with 6 training and 2 test images."""
    arrays = (IMAGES[:6], LABELS[:6] + first_label, IMAGES[6:], LABELS[6:] + first_label)
    return {file: idx_bytes(array) for file, array in zip(NAMED_SETS[name].files, arrays, strict=True)}


def put(folder: Path, files: dict[str, bytes], *, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / (f"{file}.gz" if packed else file)).write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def assert_is_the_set(name: str, options: DataConfig, images: np.ndarray = IMAGES) -> None:
    bundle = read_named(name, options)
    assert bundle.test is not None
    np.testing.assert_array_equal(bundle.train.x[:, 0], images[:6])
    np.testing.assert_array_equal(bundle.test.x[:, 0], images[6:])
    assert bundle.train.labels is not None
    assert bundle.test.labels is not None
    np.testing.assert_array_equal(np.concatenate([bundle.train.labels, bundle.test.labels]), LABELS)
    assert bundle.train.classes == bundle.test.classes == NAMED_SETS[name].classes
    assert bundle.train.x.flags.c_contiguous


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("mnist", "mnist"), ("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion_mnist"), ("kmnist", "KMNIST/raw"), ("kmnist", "kmnist"),
    ],
)  # fmt: skip
def test_layouts_of_a_data_folder(tmp_path: Path, name: str, below: str, packed: bool) -> None:
    put(tmp_path / "data" / below, contents(name), packed=packed)
    assert_is_the_set(name, DataConfig(data_dir=str(tmp_path / "data")))


def test_the_folder_itself_may_be_named(tmp_path: Path) -> None:
    put(tmp_path / "mnist", contents("mnist"))
    assert_is_the_set("mnist", DataConfig(data_dir=str(tmp_path / "mnist")))
    with pytest.raises(DataError, match="kmnist is not on this machine"):  # the file names are the same
        offline(lambda: read_named("kmnist", DataConfig(data_dir=str(tmp_path / "mnist"))))


def offline(action) -> None:
    """Runs with mirrors that refuse connections, so that no test waits for a name server."""
    known = NAMED_SETS["kmnist"]
    remotes = tuple(remote._replace(mirrors=("http://127.0.0.1:9/",)) for remote in known.remotes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NAMED_SETS, "kmnist", replace(known, remotes=remotes))
        action()


def test_the_environment_names_a_folder_and_the_option_beats_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "one" / "mnist", contents("mnist"))
    put(tmp_path / "two" / "mnist", contents("mnist") | {"train-images-idx3-ubyte": idx_bytes(IMAGES[:6] // 2)})
    monkeypatch.setenv("ISTHMUS_DATA", str(tmp_path / "one"))
    assert_is_the_set("mnist", DataConfig())
    train = read_named("mnist", DataConfig(data_dir=str(tmp_path / "two"))).train
    np.testing.assert_array_equal(train.x[:, 0], IMAGES[:6] // 2)


@pytest.mark.parametrize("below", ["emnist", "EMNIST/raw", "emnist/gzip", "gzip", ""])
@pytest.mark.parametrize("split", ["letters", "balanced"])
def test_emnist_stands_upright_with_its_letters(tmp_path: Path, below: str, split: str) -> None:
    put(tmp_path / "data" / below, contents(f"emnist/{split}", first_label=int(split == "letters")), packed=True)
    options = DataConfig(data_dir=str(tmp_path / "data"))
    # Source: arXiv:1702.05373: images are stored by columns, so that row and column change places
    assert_is_the_set(f"emnist/{split}", options, np.stack([image.T for image in IMAGES]))
    assert read_named(f"emnist/{split}", options).train.classes[LABELS[0]] == ("d" if split == "letters" else "3")


def test_emnist_classes_follow_the_mapping_files() -> None:
    # Source: emnist-*-mapping.txt: label, code of the upper-case letter (and of the lower-case one where merged)
    byclass, balanced = NAMED_SETS["emnist/byclass"].classes, NAMED_SETS["emnist/balanced"].classes
    assert (len(byclass), len(balanced), len(NAMED_SETS["emnist/letters"].classes)) == (62, 47, 26)
    assert [ord(byclass[label]) for label in (0, 9, 10, 35, 36, 61)] == [48, 57, 65, 90, 97, 122]
    assert [ord(balanced[label]) for label in (10, 35, 36, 37, 38, 42, 46)] == [65, 90, 97, 98, 100, 104, 116]


def test_labels_of_another_set_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "emnist", contents("emnist/letters", first_label=0))
    with pytest.raises(DataError, match=r"has labels from 0 to 9, but emnist/letters has 1 to 26"):
        read_named("emnist/letters", DataConfig(data_dir=str(tmp_path)))


def test_fault_10_counts_differ(tmp_path: Path) -> None:
    put(tmp_path / "mnist", contents("mnist") | {"train-labels-idx1-ubyte": idx_bytes(LABELS[:5])})
    with pytest.raises(DataError, match="holds 6 images, but train-labels-idx1-ubyte holds 5 labels"):
        read_named("mnist", DataConfig(data_dir=str(tmp_path)))


def test_a_named_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data-dir: there is no folder"):
        read_named("mnist", DataConfig(data_dir=str(tmp_path / "none")))


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server and the folder that it serves."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}/", folder
    http.shutdown()
    thread.join()
    http.server_close()


def remote_of(path: Path, address: str) -> Remote:
    raw = path.read_bytes()
    return Remote(path.name, (address,), hashlib.sha256(raw).hexdigest(), len(raw))


def serve(mirror: tuple[str, Path], name: str, patch: pytest.MonkeyPatch) -> None:
    """Makes the set's own files and checksums those of the local mirror."""
    address, folder = mirror
    put(folder, contents(name), packed=True)
    known = NAMED_SETS[name]
    remotes = tuple(remote_of(folder / f"{file}.gz", address) for file in known.files)
    patch.setitem(NAMED_SETS, name, replace(known, remotes=remotes))


def test_a_set_is_fetched_once_and_then_read_from_the_cache(
    mirror: tuple[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(mirror, "kmnist", monkeypatch)
    seen: list[tuple[int, int]] = []
    bundle = read_named("kmnist", DataConfig(), lambda done, total: seen.append((done, total)))
    assert re.match(rf"kmnist was downloaded to {cache}/kmnist \(\d+ bytes\)\.", bundle.train.notes[0])
    assert len(seen) == 4
    for path in mirror[1].iterdir():
        path.unlink()
    assert_is_the_set("kmnist", DataConfig())
    assert read_named("kmnist", DataConfig()).train.notes == ()


def test_a_cached_file_that_was_cut_is_fetched_again(
    mirror: tuple[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(mirror, "kmnist", monkeypatch)
    read_named("kmnist", DataConfig())
    broken = cache / "kmnist" / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:40])
    assert_is_the_set("kmnist", DataConfig())


def test_emnist_is_unpacked_from_its_archive(
    mirror: tuple[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = mirror
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for split, first in (("letters", 1), ("digits", 0)):
            for file, content in contents(f"emnist/{split}", first).items():
                archive.writestr(f"gzip/{file}.gz", gzip.compress(content))
    for split in ("letters", "digits"):
        known = replace(NAMED_SETS[f"emnist/{split}"], archive=remote_of(folder / "gzip.zip", address))
        monkeypatch.setitem(NAMED_SETS, f"emnist/{split}", known)
    upright = np.stack([image.T for image in IMAGES])
    assert_is_the_set("emnist/letters", DataConfig(), upright)
    assert sorted(p.name for p in (cache / "emnist").glob("*.gz")) == sorted(
        f"{file}.gz" for file in NAMED_SETS["emnist/letters"].files
    )
    (folder / "gzip.zip").unlink()
    assert_is_the_set("emnist/digits", DataConfig(), upright)  # from the archive in the cache


def test_an_archive_in_a_data_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "data" / "emnist").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "data" / "emnist" / "gzip.zip", "w") as archive:
        for file, content in contents("emnist/mnist").items():
            archive.writestr(f"gzip/{file}.gz", gzip.compress(content))
    assert_is_the_set("emnist/mnist", DataConfig(data_dir=str(tmp_path / "data")), np.stack([i.T for i in IMAGES]))


def test_without_a_network_one_error_says_which_files_to_put_where(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="kmnist is not on this machine") as caught:
        offline(lambda: read_named("kmnist", DataConfig()))
    assert caught.value.code == "DATA-DOWNLOAD"
    assert str(cache) in caught.value.message
    assert "could not be downloaded" in caught.value.message
    assert "cannot be reached" in caught.value.problems[0]
    for file in NAMED_SETS["kmnist"].files:
        assert f"{file}.gz" in (caught.value.fix or "")
    assert f"into {cache}/kmnist" in (caught.value.fix or "")


def test_the_catalog_is_complete() -> None:
    assert NAMES == (
        "mnist-2k", "mnist", "fashion-mnist", "kmnist", "emnist/balanced", "emnist/byclass", "emnist/bymerge",
        "emnist/digits", "emnist/letters", "emnist/mnist",
    )  # fmt: skip
    remotes = [remote for known in NAMED_SETS.values() for remote in (*known.remotes, known.archive) if remote]
    assert len(remotes) == 3 * 4 + 6
    for remote in remotes:
        assert re.fullmatch(r"[0-9a-f]{64}", remote.sha256)
        assert remote.size > 4000
        assert len(remote.urls) >= 2
        assert all(url.startswith("http") and url.endswith(f"/{remote.name}") for url in remote.urls)
    assert len({remote.sha256 for remote in remotes}) == 12 + 1
    assert catalog.name_of("EMNIST/Letters") == "emnist/letters"


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"ISTHMUS_CACHE": "/x"}, "/x"),
        ("linux", {"XDG_CACHE_HOME": "/cache"}, "/cache/isthmus"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/isthmus"),
        ("linux", {}, "/home/me/.cache/isthmus"),
        ("darwin", {}, "/home/me/Library/Caches/isthmus"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/isthmus/Cache"),
    ],
)
def test_cache_folders(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ISTHMUS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_folder() == Path(expected)


def test_data_folders_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("ISTHMUS_DATA", str(tmp_path / "b"))
    assert data_folders(DataConfig(data_dir=str(tmp_path / "a"))) == [tmp_path / "a", tmp_path / "b", cache]


@pytest.fixture(scope="module")
def mnist_folder() -> Path:
    folder = Path(os.environ.get("ISTHMUS_DATA", "")) / "mnist"
    if not os.environ.get("ISTHMUS_DATA") or not folder.is_dir():
        pytest.skip("ISTHMUS_DATA names no folder with the full MNIST")
    return folder


@pytest.mark.full_data
def test_full_mnist_is_the_original(mnist_folder: Path) -> None:
    bundle = read_named("mnist", DataConfig(data_dir=str(mnist_folder.parent)))
    assert bundle.test is not None
    assert (bundle.train.x.shape, bundle.test.x.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    # Source: the SHA-256 of the unpacked files, whose headers are 16 and 8 bytes
    header = struct.pack(">IIII", 2051, 10000, 28, 28)
    assert hashlib.sha256(header + bundle.test.x.tobytes()).hexdigest() == (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    )
    header = struct.pack(">II", 2049, 60000)
    assert bundle.train.labels is not None
    assert hashlib.sha256(header + bundle.train.labels.astype(np.uint8).tobytes()).hexdigest() == (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    )


@pytest.mark.full_data
def test_the_shipped_table_is_drawn_from_the_training_file(
    mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "make_mnist_2k.py"
    spec = importlib.util.spec_from_file_location("make_mnist_2k", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["make", str(mnist_folder), "-o", str(tmp_path / "made.csv.gz")])
    module.main()
    shipped = Path(isthmus.__file__).parent / "data" / "mnist-2k.csv.gz"
    assert gzip.decompress((tmp_path / "made.csv.gz").read_bytes()) == gzip.decompress(shipped.read_bytes())
    assert shipped.stat().st_size < 1_000_000
