"""`AutoEncoder`: the scikit-learn estimator. It validates its arguments like scikit-learn and calls the pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor

from isthmus.config import Config
from isthmus.data.batching.input_conversion import arrange
from isthmus.data.batching.preprocess import FULL_SCALE
from isthmus.data.hashing import numbers_of
from isthmus.data.objects import read_object
from isthmus.data.samples import Samples
from isthmus.data.tables import estimated_frames
from isthmus.errors import UsageError
from isthmus.models.autoencoder import Model
from isthmus.models.loading import Double
from isthmus.recipes import resolve
from isthmus.settings import nest, plain, where_is
from isthmus.tools.anomaly.held_out import ENOUGH, FOLDS, HeldOutScores, too_few
from isthmus.tools.anomaly.surprisal import Surprisal
from isthmus.training.in_memory import fitting_budget, fold_rows, held_rows, train_in_memory
from isthmus.training.prepared import IN_MEMORY

Z_SIZE = 32  # the default of the whole package, for data with at least twice as many features
LARGEST_SEED = 2**31 - 1
# Settings that differ from those of a run: float32 gives nearly the same results on every machine, as users of
# scikit-learn expect, and networks for tables are too small to gain from bfloat16.
START = {"data.source": IN_MEMORY, "training.precision": "float32"}


class AutoEncoder(TransformerMixin, OutlierMixin, BaseEstimator):
    """An autoencoder as a scikit-learn transformer and outlier detector.

    `transform` gives codes, `inverse_transform` rows from codes, `score_samples` how normal a sample is (larger is more
    normal, the opposite of `isthmus score`, where larger is more anomalous), `predict` 1 for normal samples and -1 for
    outliers, `score` how well X is reconstructed, for grid searches. Training prints nothing and writes no file;
    `model_.save(folder)` saves the model without a pickle.

    Parameters
    ----------
    z_size : int, default None
        Numbers in the code. None: half the number of features, at most 32. It may exceed the number of features.
    recipe : str, default "modern"
        A recipe of `isthmus recipes`. Parameters that are None are set by the recipe.
    hidden : sequence of int, default None
        Widths of the encoder's hidden layers; the decoder mirrors them. `()`: no hidden layers.
    epochs, steps : int, default None
        Budget in passes over X, or in steps. Both None: the recipe's; if in steps, at most 50 passes or 200 steps.
    batch_size : int, default 64
        Samples per step.
    lr : float, default None
        Peak learning rate.
    noise : str, default None
        Noise added to the input in training, such as "gaussian:0.5", for a denoising autoencoder.
    likelihood : str, default None
        The cost: "gaussian" (squared error), "laplace", "bernoulli".
    contamination : float, default 0.1
        The share of new rows like X, above 0 and at most 0.5, that `predict` calls outliers. It sets the threshold
        `offset_`, by rows that were held out from training. If they are fewer than 200 (by default: if X has fewer than
        2,000), three more models are trained for this, each without a third of X, and the share also holds for X. With
        fewer than 1 / contamination - 1 rows, or fewer than six distinct ones, `fit` warns and `offset_` is -inf.
    validation_fraction : float, default 0.1
        The share of X that is held out from training and chooses the best epoch; 0: the training cost chooses it.
    random_state : int, RandomState or None, default None
        The same number on the same machine gives the same codes.
    device : str, default "cpu"
        "cpu", "cuda", "mps" or "auto". For small tables, the CPU is faster, and workers can share it.
    settings : dict, default None
        Any other setting by its name, as in `isthmus train --set`: `{"activation": "relu", "shape": "28x28"}`.

    Attributes
    ----------
    model_ : Model, the trained network, which takes raw rows. history_ : list of dict, one per epoch. n_iter_ : steps.
    offset_ : float, the threshold on `score_samples`. n_features_in_, feature_names_in_ : as usual.

    X is (n_samples, n_features) and is standardized internally; or a data frame with categories, booleans, times and
    missing values, whose columns are read as `isthmus check` reports them; `inverse_transform` then returns a frame.
    Images work too: (N, H, W), (N, H, W, C), (N, C, H, W), or rows with `settings={"shape": "28x28"}`; 8-bit, 16-bit,
    or floats from 0 to 1.

    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> AutoEncoder(z_size=2, random_state=0).fit_transform(X).shape
    (150, 2)
    """

    n_features_in_: int  # scikit-learn's validation sets these two; the second one only if X has names
    feature_names_in_: np.ndarray

    def __init__(
        self,
        z_size: int | None = None,
        *,
        recipe: str = "modern",
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int = 64,
        lr: float | None = None,
        noise: str | None = None,
        likelihood: str | None = None,
        contamination: float = 0.1,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.z_size = z_size
        self.recipe = recipe
        self.hidden = hidden
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.noise = noise
        self.likelihood = likelihood
        self.contamination = contamination
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.settings = settings

    def fit(self, X: Any, y: Any = None) -> AutoEncoder:
        """Trains on X; y is ignored.

        Raises: ValueError for an invalid X, like scikit-learn; UsageError for invalid parameters.
        """
        self._check_shares()
        if mixed := estimated_frames.is_mixed(X, self.settings or {}):
            validate_data(self, X, skip_check_array=True)
            config = self._config(len(X), ())
            samples = estimated_frames.samples_of(X, config.data)
            X, shape = samples.x, samples.shape
        else:
            X, shape = self._rows(X, fitting=True)
            config = self._config(len(X), shape)
            samples = read_object(X.reshape(len(X), *shape), config.data, name="X").train
            X = X if samples.schema is None else samples.x  # with missing values as NaN
        if hasattr(self, "feature_names_in_") and not samples.is_image and not mixed:
            samples = replace(samples, columns=tuple(map(str, self.feature_names_in_)))
        trained = train_in_memory(config, samples, held_out=self.validation_fraction)
        self._shape, self._of_frame, self.model_ = shape, mixed, trained.model
        self.history_, self.n_iter_ = trained.history, trained.steps
        self._calibrate(config, samples, X)
        return self

    def _calibrate(self, config: Config, samples: Samples, X: np.ndarray) -> None:
        """Calibrates the scores and the threshold, by rows that did not train the model that judges them.

        These are the held-out rows if there are ENOUGH. Else, every row is judged by a model trained without it.
        """
        seed, numbers = config.training.seed, numbers_of(self._raw(X))
        rest, held = held_rows(len(X), self.validation_fraction, seed)
        parts = [] if len(held) >= ENOUGH else fold_rows(numbers, FOLDS, seed)
        surprisal = Surprisal(self.model_, self._x(X[rest]), seed)
        signals = np.zeros(len(X)), np.zeros(len(X))
        for train, out in parts:
            model = train_in_memory(config, samples.take(train), held_out=self.validation_fraction).model
            found = Surprisal(model, self._x(X[train], model), seed).signals(self._x(X[out], model))
            signals[0][out], signals[1][out] = found
        if not parts:  # too few rows for folds: use all
            signals = surprisal.signals(self._x(X[held] if len(held) >= ENOUGH else X))
        self._scores = HeldOutScores(surprisal, signals, numbers if parts else None)
        self.offset_ = self._scores.threshold(self.contamination) if parts or len(held) >= ENOUGH else -np.inf
        if self.offset_ == -np.inf:
            warnings.warn(too_few(len(np.unique(numbers)), self.contamination), stacklevel=3)

    def transform(self, X: Any) -> Any:
        """The codes of X, (n_samples, z_size), in the float type of X."""
        check_is_fitted(self)
        X, _ = self._rows(X)
        dtype = np.float32 if X.dtype == np.float32 else np.float64
        return Double(self.model_).codes(self._x(X)).numpy().astype(dtype, copy=False)

    def inverse_transform(self, Z: Any) -> Any:
        """Samples from codes (n_samples, z_size), in the units and the form of the X of `fit`; a frame for a frame."""
        check_is_fitted(self)
        codes: Any = check_array(Z, dtype=[np.float64, np.float32], input_name="Z")  # type: ignore[arg-type]
        z_size, preprocess = self.model_.z_size, self.model_.preprocess
        if codes.shape[1] != z_size:
            raise ValueError(
                f"Z has shape {codes.shape}, but codes of this {type(self).__name__} have shape (n_samples, {z_size})."
            )
        raw = preprocess.to_raw(Double(self.model_).x_hat(torch.tensor(codes)), torch.float64) * self._full
        if preprocess.schema is not None and self._of_frame:
            return estimated_frames.frame_back(raw.numpy(), preprocess.schema, preprocess.frame, like=Z)
        _, back = arrange(torch.empty(2, *self._shape), preprocess.raw_shape)
        X = back(raw).numpy().astype(codes.dtype, copy=False)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X[0].size)])
        return estimated_frames.framed(X, names, Z) if X.ndim == 2 and hasattr(Z, "columns") else X

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each sample is, in nats, (n_samples,): log P(an error as large) + log p(code), up to a constant.

        Larger is more normal, as everywhere in scikit-learn; the command `isthmus score` counts the other way and
        states a false-alarm rate. A row of the X of `fit` is scored by the model that was trained without it, if there
        is one, so that it is judged like a new row.
        """
        check_is_fitted(self)
        X = self._rows(X)[0]
        return self._scores.score(self._x(X), numbers_of(self._raw(X)))

    def score(self, X: Any, y: Any = None) -> float:
        """The negative mean squared reconstruction error of X, on standardized values; y is ignored.

        So `GridSearchCV` without `scoring` chooses the model that reconstructs held-out rows best.
        """
        check_is_fitted(self)
        return -float(Double(self.model_).errors(self._x(self._rows(X)[0])).mean())

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus the threshold: outliers are below zero."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """1 for normal samples, -1 for outliers."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """z0, z1, …, as in `isthmus encode`. `input_features` is only compared with the names seen by `fit`."""
        check_is_fitted(self)
        known = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            estimated_frames.refuse_names(np.asarray(input_features, dtype=object), known, self.n_features_in_)
        return np.array([f"z{i}" for i in range(self.model_.z_size)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _full(self) -> float:
        """The value of white in X, if `fit` found whole numbers: X keeps its own units."""
        preprocess = self.model_.preprocess
        scaled_by_range = preprocess.is_image and preprocess.offset is None
        return FULL_SCALE.get(getattr(torch, preprocess.dtype), 1.0) if scaled_by_range else 1.0

    def _rows(self, X: Any, *, fitting: bool = False) -> tuple[np.ndarray, tuple[int, ...]]:
        """X, validated by scikit-learn, (N, D), and the original shape of its samples."""
        shape: tuple[int, ...] = ()
        schema = None if fitting else self.model_.preprocess.schema
        if schema is not None and self._of_frame:
            if hasattr(X, "columns"):
                validate_data(self, X, skip_check_array=True, reset=False)
            return estimated_frames.rows_of(X, schema), self._shape
        if getattr(X, "ndim", 2) in (3, 4):
            X = np.asarray(X)
            shape = X.shape[1:]
            if not fitting and shape != self._shape:
                raise ValueError(f"X has samples of shape {shape}, but fit was given samples of shape {self._shape}.")
            X = X.reshape(len(X), -1)
        kept = [np.float64, np.float32, np.uint8, np.uint16]  # other types become float64
        X = validate_data(self, X, reset=fitting, dtype=kept, ensure_min_samples=2 if fitting else 1)
        return X if schema is None else estimated_frames.blanked_raw(X, schema), shape or X.shape[1:]

    def _x(self, X: np.ndarray, model: Model | None = None) -> Tensor:
        """Network input from validated rows, for `model_` or for another model that was trained on such rows."""
        preprocess = (model or self.model_).preprocess
        return preprocess.to_x(arrange(torch.from_numpy(self._raw(X)), preprocess.raw_shape)[0] / self._full)

    def _raw(self, X: np.ndarray) -> np.ndarray:
        """Validated rows in the shape and precision of the training data."""
        dtype = np.float64 if self.model_.preprocess.dtype == "float64" else np.float32
        return np.array(X.reshape(len(X), *self._shape), dtype=dtype, order="C")

    def _config(self, n: int, shape: tuple[int, ...]) -> Config:
        """The settings of this training: from the recipe, START, the parameters that are not None, and `settings`."""
        D = self.n_features_in_
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        start = START | ({"data.shape": "table"} if len(shape) == 1 else {})  # (): columns of several kinds
        z_size = min(Z_SIZE, max(1, D // 2)) if self.z_size is None else self.z_size
        named = {name: getattr(self, name) for name in ("epochs", "steps", "batch_size", "lr", "noise", "likelihood")}
        named |= {"z_size": z_size, "hidden": self.hidden, "device": self.device, "seed": seed}
        named = {name: plain(value) for name, value in named.items() if value is not None}
        given = {where_is(name): value for name, value in (named | dict(self.settings or {})).items()}
        config = resolve(nest({"recipe": self.recipe} | start | given), where="AutoEncoder")
        scaled = config.training.epochs is None and "training.steps" not in given
        return fitting_budget(config, n) if scaled else config

    def _check_shares(self) -> None:
        if not (isinstance(self.contamination, Real) and 0 < self.contamination <= 0.5):
            raise _outside("contamination", self.contamination, "above 0 and at most 0.5")
        if not (isinstance(self.validation_fraction, Real) and 0 <= self.validation_fraction <= 0.5):
            raise _outside("validation_fraction", self.validation_fraction, "from 0 to 0.5")


def _outside(name: str, found: Any, allowed: str) -> UsageError:
    return UsageError("USAGE-SETTING", f"AutoEncoder: {name} is {found!r}.", fix=f"set {name} to a number {allowed}")
