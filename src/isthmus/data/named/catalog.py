"""The data sets that are known by name: their files, mirrors, checksums and classes.

Sources of the checksums and sizes: TensorFlow Datasets' `url_checksums` (mnist.txt, fashion_mnist.txt, kmnist.txt,
emnist.txt), which record the SHA-256 of exactly these compressed files. No checksums are published for the splits in
EMNIST's archive; the checksum of the archive covers them.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import NamedTuple

IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


class Remote(NamedTuple):
    """A file on the mirrors."""

    name: str
    mirrors: tuple[str, ...]
    sha256: str
    size: int

    @property
    def urls(self) -> list[str]:
        return [mirror + self.name for mirror in self.mirrors]


@dataclass(frozen=True)
class NamedSet:
    """A data set of four IDX files, named as in `files`: training images and labels, test images and labels.

    `folders` are its usual folder names below a data folder. `first_label` is the label of `classes[0]`. `archive`
    contains the files if they are not downloaded one by one, in its folder `inside`.
    """

    name: str
    files: tuple[str, str, str, str]
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    remotes: tuple[Remote, ...] = ()
    archive: Remote | None = None
    inside: str = ""
    first_label: int = 0
    transposed: bool = False

    @property
    def cache_name(self) -> str:
        """Its folder below the cache."""
        return self.name.partition("/")[0]


def _mnist_like(
    name: str,
    folders: tuple[str, ...],
    classes: tuple[str, ...],
    mirrors: tuple[str, ...],
    checks: tuple[tuple[str, int], ...],
) -> NamedSet:
    files = (f"train-{IMAGES}", f"train-{LABELS}", f"t10k-{IMAGES}", f"t10k-{LABELS}")
    packed = zip(files, checks, strict=True)
    remotes = tuple(Remote(f"{file}.gz", mirrors, sha256, size) for file, (sha256, size) in packed)
    return NamedSet(name, files, folders, classes, remotes)


DIGITS = tuple(string.digits)

MNIST = _mnist_like(
    "mnist",
    ("mnist", "MNIST/raw", "mnist/raw", "MNIST"),
    DIGITS,
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    (
        ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
        ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    ),
)

FASHION = _mnist_like(
    "fashion-mnist",
    ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST", "fashion"),
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    (
        ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
        ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
    ),
)

KMNIST = _mnist_like(
    "kmnist",
    ("kmnist", "KMNIST/raw", "kmnist/raw", "KMNIST"),
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
    (
        ("51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4", 18_165_135),
        ("e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17", 29_497),
        ("edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5", 3_041_136),
        ("20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c", 5_120),
    ),
)

EMNIST_ARCHIVE = Remote(
    "gzip.zip",
    ("https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"),
    "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
    561_753_746,
)

# Source: arXiv:1702.05373 and the mapping files in the archive. Fifteen letters look alike in both cases and are
# merged into upper case; the letters set merges all of them, and its labels start at 1.
BY_CLASS = (*DIGITS, *string.ascii_uppercase, *string.ascii_lowercase)
BY_MERGE = (*DIGITS, *string.ascii_uppercase, *"abdefghnqrt")
EMNIST_CLASSES = {
    "balanced": BY_MERGE,
    "byclass": BY_CLASS,
    "bymerge": BY_MERGE,
    "digits": DIGITS,
    "letters": tuple(string.ascii_lowercase),
    "mnist": DIGITS,
}


def _emnist(split: str) -> NamedSet:
    stem = f"emnist-{split}"
    return NamedSet(
        name=f"emnist/{split}",
        files=(f"{stem}-train-{IMAGES}", f"{stem}-train-{LABELS}", f"{stem}-test-{IMAGES}", f"{stem}-test-{LABELS}"),
        folders=(
            "emnist",
            "EMNIST/raw",
            "emnist/gzip",
            "EMNIST/raw/gzip",
            "EMNIST",
            "EMNIST/gzip",
            "emnist/raw",
            "gzip",
        ),
        classes=EMNIST_CLASSES[split],
        archive=EMNIST_ARCHIVE,
        inside="gzip/",
        first_label=1 if split == "letters" else 0,
        transposed=True,
    )


SHIPPED = "mnist-2k"
NAMED_SETS = {known.name: known for known in (MNIST, FASHION, KMNIST, *map(_emnist, EMNIST_CLASSES))}
NAMES = (SHIPPED, *NAMED_SETS)


def name_of(text: str) -> str | None:
    """The data set name that `text` means, ignoring case and underscores; None if there is none.

    >>> name_of("Fashion_MNIST"), name_of("cats")
    ('fashion-mnist', None)
    """
    plain = text.strip().lower().replace("_", "-")
    return plain if plain in NAMES else None
