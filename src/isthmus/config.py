"""All settings of a run: plain dataclasses whose texts become the command line's help and whose bounds are checked.

Only the standard library is imported, so that `isthmus --help` can show these texts at once; `settings.py` reads,
checks and writes them. A configuration holds numbers, names and paths,
never names of code to import: parts are looked up in registries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen

from isthmus.setting_types import STRICT, Count, Weight, Width
from isthmus.training_config import TrainingConfig

PHOTO = "photo"  # what the denoiser that the package ships is called, wherever a run may be named
Z_SIZE = 32  # numbers in the code, for all but tables whose columns are of several kinds: docs/experiments.md


@dataclass(frozen=True)
class DataConfig:
    """Where the samples come from and how they are read."""

    __pydantic_config__ = STRICT
    source: Annotated[
        str, "A name (mnist-2k, mnist, emnist/letters, hub:NAME …) or a path: images, table, array, IDX file."
    ] = "mnist-2k"
    validation: Annotated[str | None, "Other data for validation, instead of a part of the training data."] = None
    test: Annotated[str | None, "Other data for the test, instead of the set's own or a part of the data."] = None
    target: Annotated[
        str | None,
        "The clean data of noisy DATA, what is to come out: files by name (a_1.png and a_2.png find a.png, a_real.JPG "
        "finds a_mean.JPG), arrays and stacks by position.",
    ] = None
    limit: Annotated[Count | None, "Take N samples of the training part, evenly over the classes."] = None
    # Runs from before this setting are shuffled; see `settings.BEFORE`.
    split: Annotated[
        Literal["stratified", "shuffled"],
        "How validation and test are drawn: stratified, each class by its share; shuffled, without a look at labels.",
    ] = "stratified"
    label: Annotated[str | None, "The table column that holds labels; it is kept out of the features."] = None
    group: Annotated[
        str | None,
        "The table column that says which rows belong together (a patient, a series): they are never divided.",
    ] = None
    window: Annotated[
        Count | None,
        "The rows of the table are a series: N consecutive rows are a sample, and the parts are cut in time.",
    ] = None
    stride: Annotated[
        Count | None, "Take every N-th window of a series in training; by default every one that memory allows."
    ] = None
    time: Annotated[
        str | None, "The table column that says when each row of a series was; by default the one that holds times."
    ] = None
    shape: Annotated[
        str | None, "HxW or HxWxC: the rows of the table are images of this shape; table: they are none."
    ] = None
    gray: Annotated[bool, "Turn color images to gray."] = False
    resize: Annotated[str | None, "Bring every image to this size: N or HxW."] = None
    crop: Annotated[str | None, "Cut the middle out of every image: N or HxW (after --resize)."] = None
    patches: Annotated[str | None, "Cut every image into pieces that are samples of their own: N or HxW."] = None
    whole: Annotated[
        bool, "Keep images of any sizes whole, for a network that takes patches of them (recipe photo)."
    ] = False
    alpha: Annotated[
        Literal["auto", "keep", "white", "black"], "Transparency: keep it as a channel, or lay it on white or black."
    ] = "auto"
    frames: Annotated[
        Literal["first", "all"], "Of animated or multi-page files: the first frame, or all as samples."
    ] = "first"
    max_pixels: Annotated[Count | None, "The largest image that is read, in pixels; 268,435,456 if not given."] = None
    scale: Annotated[
        Literal["auto", "quantile", "standard", "minmax", "none"],
        "auto: images to [0, 1], tables standardized; quantile: the numbers of a table by their quantiles.",
    ] = "auto"
    # Runs from before this setting divide by what their type holds; see `settings.BEFORE`.
    range: Annotated[
        Literal["data", "type"],
        "Black and white of images other than bytes and floats in [0, 1]: the least and the greatest value of the "
        "training data, or the ends of their type (0 and 65,535).",
    ] = "data"
    # Runs from before this setting have float32 everywhere; see `settings.BEFORE`.
    digits: Annotated[
        Literal["auto", "float32", "float64"],
        "In which type a table is kept; auto: float64 where float32 would round a column by 0.001 of its deviation.",
    ] = "auto"
    key: Annotated[str | None, "Which array of an .npz file holds the samples."] = None
    delimiter: Annotated[str | None, "The character between two cells of a CSV file."] = None
    encoding: Annotated[str | None, "The text encoding of a CSV file, if it is not UTF-8."] = None
    header: Annotated[Literal["auto", "yes", "no"], "Whether the first row of a CSV file names the columns."] = "auto"
    thousands: Annotated[str | None, "The character that groups thousands in numbers, as in 1,234."] = None
    decimal: Annotated[Literal["auto", ".", ","], "The decimal mark in numbers."] = "auto"
    kinds: Annotated[
        tuple[str, ...],
        "What a column is, NAME=KIND: number, count, yes-no, category, time, id, text, skip (the last three left out).",
    ] = ()
    missing: Annotated[
        Literal["auto", "error", "drop", "median"],
        "Missing values of a table: auto: the model sees and fills them; error; drop their rows; median: the training "
        "part's median of the column stands in.",
    ] = "auto"
    null_values: Annotated[
        tuple[str, ...],
        "Words that stand for no value besides the usual ones (empty, NA, null …), for all columns or for one: "
        "WORD or NAME=WORD, such as n/k or age=-999.",
    ] = ()
    duplicates: Annotated[Literal["keep", "drop"], "Samples that equal another: drop leaves them out."] = "keep"
    skip_bad_rows: Annotated[bool, "Leave out rows that cannot be read, and say how many."] = False
    skip_bad_files: Annotated[bool, "Leave out files that cannot be read, and say how many."] = False
    drop_columns: Annotated[tuple[str, ...], "Table columns to leave out."] = ()
    allow_trailing: Annotated[bool, "Read an IDX file that is longer than its header says."] = False
    memory: Annotated[
        str | None,
        "Memory that the data may take at most, such as 800MB or 1.5GB; what is larger is read from disk. By default "
        "what is free.",
    ] = None
    # Runs from before these settings had all data in memory; see `settings.BEFORE`.
    stream: Annotated[
        Literal["auto", "yes", "no"], "Whether training data is read from disk: auto: where memory does not hold it."
    ] = "auto"
    buffer: Annotated[Count | None, "Of data read from disk: samples that are shuffled at once."] = None
    held: Annotated[Count | None, "Of data read from disk: samples that validation and test have at most."] = None
    data_dir: Annotated[str | None, "Where named data sets are looked up first (also $ISTHMUS_DATA)."] = None


@dataclass(frozen=True)
class ModelConfig:
    """The parts in a row: corruption, encoder, bottleneck, decoder, likelihood."""

    __pydantic_config__ = STRICT
    network: Annotated[
        str,
        "mlp, conv (images of 16 to 256 pixels a side), unet (no code, images of any size, for noise); auto: conv "
        "above 40 pixels or in color, else mlp; shortcut=true: beside principal components.",
    ] = "auto"
    hidden: Annotated[
        Annotated[tuple[Width, ...], MaxLen(64)] | None,  # deeper ones than that do not train without shortcuts
        "mlp: widths of the hidden layers, usually 512,256; conv: channels of the stages, each of which halves the "
        "sides. The decoder mirrors them.",
    ] = None
    activation: Annotated[str, "The activation of the hidden layers."] = "silu"
    init: Annotated[
        Literal["auto", "framework", "he-normal", "orthogonal", "components"],
        "How weights start; components: mlp at the principal components of the training data; auto: so for images.",
    ] = "auto"
    output_bias: Annotated[
        Literal["zero", "mean"], "Where the output starts; mean: at the mean of the training data."
    ] = "mean"
    dropout: Annotated[
        Annotated[float, Ge(0.0), Le(0.9)] | None,
        "Share of hidden units switched off in training, usually none; where columns are of several kinds and few rows "
        "are seen often, a tenth.",
    ] = None
    z_size: Annotated[
        Width | None,
        "Numbers in the code, usually 32, of large images 128; of tables as many as say most of their columns.",
    ] = None
    bottleneck: Annotated[str, "What makes the code."] = "identity"
    likelihood: Annotated[
        str,
        "The cost: bernoulli or bce, gaussian or mse, laplace or mae; auto: by the data. After gaussian or laplace, "
        ",output=sigmoid is for images.",
    ] = "auto"
    noise: Annotated[
        str,
        "Noise on the input, KIND:LEVEL or KIND:LOW-HIGH: gaussian, salt-and-pepper, speckle, poisson, grain, jpeg, "
        "masking; none; a+b: one after the other; a|b: one of them for each sample; pairs, set by --target. "
        "Gaussian levels are standard deviations of the data as scaled: images to [0, 1], where 25 of 255 is 0.098.",
    ] = "none"
    terms: Annotated[str, "Further penalties: contractive, mmd, l2; several as a+b; none."] = "none"
    weights: Annotated[dict[str, Weight], "The weight of each penalty that bottleneck and terms announce."] = field(
        default_factory=dict
    )

    @property
    def code_size(self) -> int:
        """Numbers in the code; the usual number where none was settled."""
        return Z_SIZE if self.z_size is None else self.z_size


@dataclass(frozen=True)
class Config:
    """Everything that `config.toml` holds; `isthmus train --config` re-runs it as it is."""

    __pydantic_config__ = STRICT
    recipe: Annotated[str, MinLen(1), "Which recipe these settings start from."] = "modern"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values; unset ones are "none", as TOML has no null."""
        return _without_null(asdict(self))


SPELLED = {
    "likelihood": "--loss",
    "drop_columns": "--drop-column",
    "kinds": "--column",
}  # options that are not called like their setting
ALIASES = {  # what else the value of a setting is called
    "model.likelihood": {"bce": "bernoulli", "mse": "gaussian", "l2": "gaussian", "mae": "laplace", "l1": "laplace"},
}
SECTIONS: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "training": TrainingConfig}


@cache  # half a millisecond each, and `isthmus --help` asks a thousand times
def hints_of(section: str, *, extras: bool = False) -> dict[str, Any]:
    """The type of every field; with `extras` also its text and bounds."""
    return get_type_hints(SECTIONS[section], include_extras=extras)


def is_list(section: str, name: str) -> bool:
    """Whether a setting holds several values, written with commas between them."""
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
