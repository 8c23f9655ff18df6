"""All settings of a run, as plain dataclasses. The text of each field is its help on the command line.

Only the standard library is imported, so that `isthmus --help` can show these texts at once; `settings.py` reads,
checks and writes them. A configuration contains numbers, names and paths, but never the name of code to import: parts
are looked up in registries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen

from isthmus.setting_types import STRICT, Count, Weight, Width
from isthmus.training_config import TrainingConfig

PHOTO = "photo"  # the name of the shipped denoiser, accepted wherever a run is
Z_SIZE = 32  # default code size, except for tables with columns of several kinds: docs/experiments.md


@dataclass(frozen=True)
class DataConfig:
    """Where the samples come from and how to read them."""

    __pydantic_config__ = STRICT
    source: Annotated[
        str, "A name (mnist-2k, mnist, emnist/letters, hub:NAME …) or a path: images, table, array, IDX file."
    ] = "mnist-2k"
    validation: Annotated[str | None, "Separate validation data, instead of a part of the training data."] = None
    test: Annotated[str | None, "Separate test data, instead of the data set's own test set or a part of the data."] = (
        None
    )
    target: Annotated[
        str | None,
        "The clean samples for the noisy DATA: files are matched by name (a_1.png and a_2.png with a.png, a_real.JPG "
        "with a_mean.JPG), arrays and stacks by position.",
    ] = None
    limit: Annotated[Count | None, "Use N training samples, spread evenly over the classes."] = None
    # Runs from before this setting existed are shuffled; see `settings.BEFORE`.
    split: Annotated[
        Literal["stratified", "shuffled"],
        "How validation and test data are drawn: stratified, in proportion to the classes; shuffled, ignoring labels.",
    ] = "stratified"
    label: Annotated[str | None, "The table column with the labels; it is not used as a feature."] = None
    group: Annotated[
        str | None,
        "The table column that says which rows belong together (a patient, a series), so that they stay in one part.",
    ] = None
    window: Annotated[
        Count | None,
        "The rows of the table are a time series: each sample is N consecutive rows, and the data is split by time.",
    ] = None
    stride: Annotated[
        Count | None, "Train on every N-th window of a time series. Default: on as many as fit in memory."
    ] = None
    time: Annotated[
        str | None, "The table column with the time of each row of a series. Default: the column that contains times."
    ] = None
    shape: Annotated[
        str | None, "HxW or HxWxC: the rows of the table are images of this shape; table: they are not images."
    ] = None
    gray: Annotated[bool, "Convert color images to gray."] = False
    resize: Annotated[str | None, "Resize every image to this size: N or HxW."] = None
    crop: Annotated[str | None, "Crop every image to its center: N or HxW (after --resize)."] = None
    patches: Annotated[str | None, "Cut every image into patches, each of them a sample: N or HxW."] = None
    whole: Annotated[
        bool, "Keep images of different sizes whole, for a network that is trained on patches of them (recipe photo)."
    ] = False
    alpha: Annotated[
        Literal["auto", "keep", "white", "black"],
        "Transparency: keep it as a channel, or blend it with white or black.",
    ] = "auto"
    frames: Annotated[
        Literal["first", "all"], "Animated or multi-page files: use the first frame, or every frame as a sample."
    ] = "first"
    max_pixels: Annotated[Count | None, "The largest image to read, in pixels. Default: 268,435,456."] = None
    scale: Annotated[
        Literal["auto", "quantile", "standard", "minmax", "none"],
        "auto: images to [0, 1], tables standardized; quantile: the numbers of a table, by their quantiles.",
    ] = "auto"
    # Runs from before this setting existed divide by the largest value of the type; see `settings.BEFORE`.
    range: Annotated[
        Literal["data", "type"],
        "Black and white for images that are neither 8-bit nor floats in [0, 1]: the smallest and largest value of the "
        "training data (without a few extreme pixels), or of the data type (0 and 65,535).",
    ] = "data"
    # Runs from before this setting existed use float32 everywhere; see `settings.BEFORE`.
    digits: Annotated[
        Literal["auto", "float32", "float64"],
        "Data type of a table; auto: float64 if float32 would round a column by 0.001 of its standard deviation.",
    ] = "auto"
    key: Annotated[str | None, "The array of an .npz file that contains the samples."] = None
    delimiter: Annotated[str | None, "The character that separates the cells of a CSV file."] = None
    encoding: Annotated[str | None, "The text encoding of a CSV file, if not UTF-8."] = None
    header: Annotated[
        Literal["auto", "yes", "no"], "Whether the first row of a CSV file contains the column names."
    ] = "auto"
    thousands: Annotated[str | None, "The thousands separator in numbers, as in 1,234."] = None
    decimal: Annotated[Literal["auto", ".", ","], "The decimal mark in numbers."] = "auto"
    kinds: Annotated[
        tuple[str, ...],
        "Kind of a column, NAME=KIND: number, count, yes-no, category, time, id, text, skip (the last three unused).",
    ] = ()
    missing: Annotated[
        Literal["auto", "error", "drop", "median"],
        "Missing values of a table: auto: the model learns to fill them; error: refuse them; drop: leave out their "
        "rows; median: replace them with the column's median in the training data.",
    ] = "auto"
    null_values: Annotated[
        tuple[str, ...],
        "More words that mean a missing value, besides the usual ones (empty, NA, null …), for all columns or for one: "
        "WORD or NAME=WORD, such as n/k or age=-999.",
    ] = ()
    duplicates: Annotated[
        Literal["keep", "drop"], "Samples that are equal to an earlier one; drop leaves them out."
    ] = "keep"
    skip_bad_rows: Annotated[bool, "Leave out rows that cannot be read, and report how many."] = False
    skip_bad_files: Annotated[bool, "Leave out files that cannot be read, and report how many."] = False
    drop_columns: Annotated[tuple[str, ...], "Table columns to leave out."] = ()
    allow_trailing: Annotated[bool, "Read an IDX file even if it is longer than its header says."] = False
    memory: Annotated[
        str | None,
        "Memory limit for the data, such as 800MB or 1.5GB; larger data is read from disk during training. Default: "
        "the free memory.",
    ] = None
    # Runs from before these settings existed had all data in memory; see `settings.BEFORE`.
    stream: Annotated[
        Literal["auto", "yes", "no"], "Whether training data is read from disk; auto: if it does not fit in memory."
    ] = "auto"
    buffer: Annotated[Count | None, "For data read from disk: number of samples that are shuffled together."] = None
    held: Annotated[Count | None, "For data read from disk: most samples that validation and test may each have."] = (
        None
    )
    data_dir: Annotated[str | None, "The folder in which to look for named data sets first (or set $ISTHMUS_DATA)."] = (
        None
    )


@dataclass(frozen=True)
class ModelConfig:
    """The parts of the model, in their order: corruption, encoder, bottleneck, decoder, likelihood."""

    __pydantic_config__ = STRICT
    network: Annotated[
        str,
        "mlp; conv (images of 16 to 256 pixels per side); unet (a denoiser without a code, for images of any size); "
        "auto: conv for images above 40 pixels, in color or with noise, else mlp. ,shortcut=true after the name adds "
        "principal components.",
    ] = "auto"
    hidden: Annotated[
        Annotated[tuple[Width, ...], MaxLen(64)] | None,  # deeper networks do not train without shortcuts
        "mlp: widths of the hidden layers, usually 512,256; conv: channels of the stages, each of which halves height "
        "and width. The decoder mirrors them.",
    ] = None
    activation: Annotated[str, "Activation function of the hidden layers."] = "silu"
    init: Annotated[
        Literal["auto", "framework", "he-normal", "orthogonal", "components"],
        "How weights are initialized; components: an mlp starts at the principal components of the training data; "
        "auto: components for an mlp on images.",
    ] = "auto"
    output_bias: Annotated[
        Literal["zero", "mean"], "Initial output bias; mean: the network starts at the mean of the training data."
    ] = "mean"
    dropout: Annotated[
        Annotated[float, Ge(0.0), Le(0.9)] | None,
        "Share of hidden units switched off in training. Default: 0, or 0.1 for a small table.",
    ] = None
    z_size: Annotated[
        Width | None,
        "Numbers in the code. Default: 32; 64 for denoisers of images; 128 for images that are large or in color; for "
        "tables, enough for most of the variance.",
    ] = None
    bottleneck: Annotated[str, "How the code is formed: identity, gaussian (a VAE), sparse, vq, fsq."] = "identity"
    likelihood: Annotated[
        str,
        "The cost: bernoulli or bce, gaussian or mse, laplace or mae; auto: chosen from the data. For images, gaussian "
        "and laplace take ,output=sigmoid.",
    ] = "auto"
    noise: Annotated[
        str,
        "Noise added to the input, KIND:LEVEL or KIND:LOW-HIGH: gaussian, salt-and-pepper, speckle, poisson, grain, "
        "jpeg, masking; or none. a+b adds both, a|b one of them to each sample; --target sets pairs. A gaussian level "
        "is a standard deviation of the scaled data; images are in [0, 1], where 25 of 255 is 0.098.",
    ] = "none"
    terms: Annotated[str, "More penalties: contractive, mmd, l2; several as a+b; or none."] = "none"
    weights: Annotated[dict[str, Weight], "Weight of each penalty of the bottleneck and the terms."] = field(
        default_factory=dict
    )

    @property
    def code_size(self) -> int:
        """Numbers in the code; the default if none was chosen."""
        return Z_SIZE if self.z_size is None else self.z_size


@dataclass(frozen=True)
class Config:
    """Everything in `config.toml`; `isthmus train --config` trains with the same settings again."""

    __pydantic_config__ = STRICT
    recipe: Annotated[str, MinLen(1), "The recipe that these settings start from."] = "modern"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values; unset ones are "none", because TOML has no null."""
        return _without_null(asdict(self))


SPELLED = {
    "likelihood": "--loss",
    "drop_columns": "--drop-column",
    "kinds": "--column",
}  # options whose name differs from their setting's
ALIASES = {  # other names for the value of a setting
    "model.likelihood": {"bce": "bernoulli", "mse": "gaussian", "l2": "gaussian", "mae": "laplace", "l1": "laplace"},
}
SECTIONS: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "training": TrainingConfig}


@cache  # half a millisecond each, and `isthmus --help` asks a thousand times
def hints_of(section: str, *, extras: bool = False) -> dict[str, Any]:
    """The type of every field; with `extras`, its text and bounds as well."""
    return get_type_hints(SECTIONS[section], include_extras=extras)


def is_list(section: str, name: str) -> bool:
    """Whether a setting has several values, separated by commas."""
    hint = hints_of(section)[name]
    return any(get_origin(part) is tuple for part in (hint, *get_args(hint)))


def help_of(section: str, name: str) -> str:
    """The text under a field, for `--help`."""
    hint = hints_of(section, extras=True)[name]
    return next(text for text in get_args(hint)[1:] if isinstance(text, str))


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_null(v) for k, v in value.items()}
    return "none" if value is None else value
