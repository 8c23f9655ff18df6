"""The contract suite, which tests every registered part automatically."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import contract
import tiny
from contract import BATCHES, DTYPES, SHAPES, drawn, example, redraw, seeded
from isthmus import settings as configs
from isthmus.errors import DataError, UsageError
from isthmus.models.costs import objective, penalty_weights, with_terms
from isthmus.models.loading import load_model
from isthmus.parts.blocks import ACTIVATIONS, Sizes
from isthmus.parts.bottlenecks import BOTTLENECKS, AbstractBottleneck, Code, bottleneck
from isthmus.parts.corruptions import CORRUPTIONS, AbstractCorruption, Pair, corruption
from isthmus.parts.likelihoods import LIKELIHOODS, likelihood
from isthmus.parts.networks import NETWORKS, initialize, is_without_code, network, usual_widths
from isthmus.parts.terms import TERMS
from isthmus.recipes import RECIPES, resolve
from isthmus.training.prepare import fresh_model

OWN = {
    "jpeg",
    "pairs",
    "unknown",
}  # they draw no noise on clean samples: see test_neighbors.py and tests/pipeline/test_pairs.py
NOISES = [example(name, factory) for name, factory in CORRUPTIONS.items() if name not in OWN]
CODES = [example(name, factory) for name, factory in BOTTLENECKS.items()]
CODES += ["sigmoid+noise:0.1", "sparse+l1", "noise:0.1+gaussian", "gaussian+sigmoid", "l1+vq:4", "sigmoid+fsq:4"]
COSTS = [example(name, factory) for name, factory in LIKELIHOODS.items()]
COSTS += [f"{name},variance={kind}" for name in ("gaussian", "laplace") for kind in ("shared", "learned")]
COSTS += ["gaussian,output=sigmoid", "laplace,output=sigmoid,variance=learned"]
NOISES += ["jpeg:10-90", "masking:0.5,patch=auto", "masking:0.5,patch=auto,count=masked", "gaussian:0.5+speckle:0.1"]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
IMAGES_ONLY = {"poisson:0.5", "grain:0.5"}  # counts cannot be negative; columns have no neighbors

batches = pytest.mark.parametrize("B", BATCHES)


def corruption_for(text: str, shape: tuple[int, ...]) -> AbstractCorruption:
    return corruption(text, (0.0, 1.0) if len(shape) == 3 else None, shape)  # images have a range, tables have none


@batches
@dtypes
@shapes
@pytest.mark.parametrize("text", NOISES)
def test_corruption(text: str, shape: tuple[int, ...], dtype: torch.dtype, B: int) -> None:
    if len(shape) == 1 and text in IMAGES_ONLY:
        with pytest.raises(UsageError, match=r"needs (images|data without negative values)"):
            corruption_for(text, shape)
        return
    if text.startswith("jpeg") and not (len(shape) == 3 and shape[0] in (1, 3)):
        with pytest.raises(UsageError, match="jpeg noise needs gray images"):
            corruption_for(text, shape)
        return
    part, x = corruption_for(text, shape), 0.01 + 0.99 * drawn(B, *shape, dtype=dtype)
    contract.assert_corrupts_soundly(part, x)
    contract.assert_samples_apart(part, x)
    contract.assert_draws_alike(part, x)
    x_in = part(x, seeded(1)).x_in
    assert len(shape) == 1 or 0 <= float(x_in.min()) <= float(x_in.max()) <= 1
    if text != "none":
        many = drawn(50, *shape, dtype=dtype)
        assert not torch.equal(part(many, seeded(1)).x_in, part(many, seeded(2)).x_in), "two seeds gave the same noise"


@pytest.mark.parametrize("text", [text for text in NOISES if ":" in text])
def test_corruption_takes_a_range_of_levels(text: str) -> None:
    x = drawn(6, 1, 8, 8)
    contract.assert_corrupts_soundly(corruption(text.replace(":0.5", ":0.2-0.8"), (0.0, 1.0)), x)


@batches
@dtypes
@pytest.mark.parametrize("z_size", [1, 3, 8])
@pytest.mark.parametrize("text", CODES)
def test_bottleneck(text: str, z_size: int, dtype: torch.dtype, B: int) -> None:
    part = redraw(bottleneck(text, z_size)).to(dtype)
    h = 4 * drawn(B, part.width_in(z_size), dtype=dtype) - 2
    contract.assert_makes_codes(part, h, z_size)
    contract.assert_per_sample(lambda h: part(h, sample=False).z, h)
    h = h.requires_grad_()
    code = part(h, sample=False)
    contract.assert_gradient_everywhere(code.z.sum(), [("h", h), *part.named_parameters()])
    for name, penalty in code.penalties.items():
        contract.assert_gradient_everywhere(penalty.sum(), [(f"h from penalty {name}", h)])
        assert bool((penalty >= 0).all())
        if not part.couples:
            contract.assert_per_sample(lambda h, name=name: part(h, sample=False).penalties[name], h.detach())
    assert set(code.penalties) == set(part.penalties), "what is announced and what is given differ"


@pytest.mark.parametrize("text", CODES)
def test_bottleneck_leaves_its_buffers_alone_unless_it_trains(text: str) -> None:
    part = redraw(bottleneck(text, 4))
    h = drawn(5, part.width_in(4))
    for training, sample in ((False, True), (True, False)):
        before = tiny.weights(part)
        part.train(training)(h, sample=sample, generator=seeded(0))
        tiny.assert_equal_weights(tiny.weights(part), before)
    with tiny.assert_global_generator_untouched():
        first = part.train()(h, sample=True, generator=seeded(0)).z
    assert first.shape == (5, 4)


@pytest.mark.parametrize("text", CODES)
def test_bottleneck_samples_its_prior_or_says_that_there_is_none(text: str) -> None:
    part = bottleneck(text, 3)
    if not part.has_prior:
        with pytest.raises(UsageError, match="has no prior to sample from"):
            part.sample_prior(7, seeded(0))
        return
    z = part.sample_prior(7, seeded(0))
    assert z.shape == (7, 3)
    assert torch.equal(part.sample_prior(7, seeded(0)), z)
    assert not torch.equal(part.sample_prior(7, seeded(1)), z)


@pytest.mark.parametrize("text", CODES)
def test_every_point_near_a_continuous_code_is_a_code_too(text: str) -> None:
    part = redraw(bottleneck(text, 4)).eval()
    h = drawn(200, part.width_in(4)).requires_grad_()
    z = part(h, sample=False).z
    assert part.continuous == (len(z.detach().flatten().unique()) > 400)  # a quantized one has few values


@batches
@dtypes
@shapes
@pytest.mark.parametrize("text", COSTS)
def test_likelihood(text: str, shape: tuple[int, ...], dtype: torch.dtype, B: int) -> None:
    part = likelihood(text)
    C = part.channels_out(shape[0])
    part = part.to(dtype)
    params, target = 4 * drawn(B, C, *shape[1:], dtype=dtype, seed=1) - 2, drawn(B, *shape, dtype=dtype)
    contract.assert_costs_soundly(part, params, target)
    both = torch.cat([params, target], dim=1)
    contract.assert_per_sample(lambda b: part.nll(b[:, :C], b[:, C:]), both)
    params = params.requires_grad_()
    contract.assert_gradient_everywhere(part.nll(params, target).sum(), [("params", params), *part.named_parameters()])


@shapes
@pytest.mark.parametrize("text", COSTS)
def test_likelihood_has_a_mean_within_its_range_and_params_for_any_mean(text: str, shape: tuple[int, ...]) -> None:
    part = likelihood(text)
    low, high = part.range or (-1e6, 1e6)
    params = 100 * drawn(5, part.channels_out(shape[0]), *shape[1:]) - 50
    assert low <= float(part.mean(params).min()) <= float(part.mean(params).max()) <= high
    mean = 0.01 + 0.98 * drawn(5, *shape)
    contract.assert_close(part.mean(part.from_mean(mean)), mean)
    assert part.readable(1.0) < part.readable(1.5), "what people read must grow with the nats"


# Images that convolutions take: gray, color, four channels; odd sides, one that is halved four times beside one that
# is halved twice, and a power of two.
IMAGES = ((1, 16, 16), (3, 17, 31), (4, 64, 23))


def takes(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a network accepts samples of this shape; `conv` needs images with sides of at least 16 pixels."""
    return not name.startswith("conv") or (len(shape) == 3 and min(shape[1:]) >= 16)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [*SHAPES, *IMAGES], ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("name", [*NETWORKS, *(f"{name},shortcut=true" for name in NETWORKS)])
def test_network(name: str, shape: tuple[int, ...], activation: str) -> None:
    sizes = Sizes(shape, width_code=5, z_size=3, channels_out=2 * shape[0])
    if not takes(name, shape):
        with pytest.raises(DataError, match="conv needs images"):
            network(name, sizes, hidden=(9, 7), activation=activation, dropout=0.2)
        return
    pair = network(name, sizes, hidden=(9, 7), activation=activation, dropout=0.2)
    encoder, decoder = (redraw(part) for part in pair)
    for B in BATCHES:
        contract.assert_network_fits(encoder, decoder, drawn(B, *shape), sizes)
    contract.assert_gradient_everywhere(encoder(drawn(5, *shape)).square().sum(), encoder.named_parameters())
    contract.assert_gradient_everywhere(decoder(drawn(5, 3)).square().sum(), decoder.named_parameters())
    double = drawn(2, *shape, dtype=torch.float64)
    contract.assert_network_fits(encoder.double(), decoder.double(), double, sizes)
    contract.assert_per_sample(
        encoder, double
    )  # in float64: redrawn weights make large values, and float32 rounds those
    contract.assert_per_sample(decoder, drawn(5, 3, dtype=torch.float64))


@pytest.mark.parametrize("hidden", [None, (), (4,), (9, 8, 7)])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_has_the_hidden_widths_that_were_asked_for(name: str, hidden: tuple[int, ...] | None) -> None:
    sizes = Sizes((1, 16, 20), width_code=5, z_size=3, channels_out=1)
    encoder, decoder = network(name, sizes, hidden=hidden, activation="relu", dropout=0.0)
    contract.assert_network_fits(encoder, decoder, drawn(2, 1, 16, 20), sizes)
    hidden = usual_widths(name, sizes.shape) if hidden is None else hidden
    if name == "mlp":
        assert [m.out_features for m in encoder.modules() if isinstance(m, nn.Linear)] == [*hidden, 5]
        assert [m.out_features for m in decoder.modules() if isinstance(m, nn.Linear)] == [*reversed(hidden), 320]
    if name == "conv":
        assert [m.out_channels for m in encoder.modules() if isinstance(m, nn.Conv2d)] == [*hidden]
        assert [m.in_channels for m in decoder.modules() if isinstance(m, nn.ConvTranspose2d)] == [*reversed(hidden)]


@pytest.mark.parametrize("scheme", ["framework", "he-normal", "orthogonal"])
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_from_the_generator_alone(name: str, scheme: str) -> None:
    def start(seed: int) -> dict[str, Tensor]:
        sizes = Sizes((1, 16, 16), width_code=5, z_size=3, channels_out=1)
        encoder, _ = network(name, sizes, hidden=(9,), activation="relu", dropout=0.0)
        initialize(encoder, "relu", seeded(seed), scheme=scheme)
        return tiny.weights(encoder)

    with tiny.assert_global_generator_untouched():
        first = start(0)
    tiny.assert_equal_weights(start(0), first)
    assert not any(torch.equal(a, b) for a, b in zip(first.values(), start(1).values(), strict=True) if a.ndim > 1)


class Squared(AbstractBottleneck):
    """squared: z = h with the penalty |h|^2; a part that exists only in these tests."""

    penalties: ClassVar[dict[str, float]] = {"l2": 1.0}

    def forward(self, h: Tensor, *, sample: bool, generator: torch.Generator | None = None) -> Code:
        return Code(h, {"l2": h.square().sum(1)}, {})


def penalized(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[Any, Pair]:
    """A model with a penalty, and a pair."""
    monkeypatch.setitem(BOTTLENECKS, "squared", Squared)
    ready = tiny.prepared(tiny.table(), bottleneck="squared", **settings)
    model = tiny.trainer(ready).model
    x = ready.x(ready.splits.train)
    return model, Pair(x, x)


def test_a_penalty_counts_by_its_weight_and_not_at_all_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pair = penalized(monkeypatch)
    with torch.no_grad():
        output = model(pair.x_in)
        alone, once, twice = (float(objective(model, pair, output, {"l2": w})) for w in (0.0, 1.0, 2.0))
        mse = float((output.params - pair.target).square().mean())
    D = pair.target[0].numel()
    per_value = 2 * float(output.code.z.square().sum(1).mean()) / D  # mse is twice the nats
    assert alone == pytest.approx(mse, rel=1e-5)  # float32, here and below
    assert once - alone == pytest.approx(per_value, rel=1e-5)
    assert twice - alone == pytest.approx(2 * per_value, rel=1e-5)


PENALISED = [{"bottleneck": text} for text in CODES if bottleneck(text, 4).penalties]
PENALISED += [{"terms": example(name, factory)} for name, factory in TERMS.items()]
PENALISED += [{"bottleneck": "gaussian", "terms": "mmd,kernel=rbf+contractive:2"}]


@pytest.mark.parametrize("settings", PENALISED, ids=lambda s: "-".join(s.values()))
def test_every_penalty_moves_the_gradient_in_proportion_to_its_weight(settings: dict[str, str]) -> None:
    ready = tiny.prepared(tiny.table(), **settings)
    model = fresh_model(ready).double()
    x = ready.x(ready.splits.train)[:9].double()
    pair = Pair(x, x)
    output = with_terms(model, pair, model(x, sample=True, generator=seeded(0)), seeded(0))
    trained = [p for name, p in model.encoder.named_parameters() if name.endswith("weight")]

    def slope(weights: dict[str, float]) -> Tensor:
        cost = objective(model, pair, output, weights)
        return torch.cat([g.flatten() for g in torch.autograd.grad(cost, trained, retain_graph=True)])

    none = dict.fromkeys(model.penalties, 0.0)
    plain = output._replace(code=output.code._replace(penalties={}))
    absent = torch.autograd.grad(objective(model, pair, plain, {}), trained, retain_graph=True)
    contract.assert_close(slope(none), torch.cat([g.flatten() for g in absent]), "weight 0")
    assert model.penalties
    for name in model.penalties:
        once, twice = (slope(none | {name: weight}) - slope(none) for weight in (1.0, 2.0))
        assert bool((once != 0).any()), f"the penalty {name} moves nothing"
        torch.testing.assert_close(twice, 2 * once, rtol=1e-9, atol=1e-9 * float(once.abs().max()))


def test_penalties_have_weight_one_unless_configured_and_unknown_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert penalty_weights(penalized(monkeypatch)[0]) == {"l2": 1.0}
    assert penalty_weights(penalized(monkeypatch, weights={"l2": 0.25})[0]) == {"l2": 0.25}
    with pytest.raises(UsageError, match=r"no penalty 'kl'; the penalties of this model: l2"):
        penalized(monkeypatch, weights={"kl": 1.0})


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_short_and_survives_the_file(name: str) -> None:
    config = resolve({"recipe": name})
    assert len(inspect.getsource(RECIPES[name]).splitlines()) <= 15
    assert RECIPES[name].__doc__
    assert configs.build(configs.tomllib.loads(configs.write(config))) == config
    assert resolve(configs.tomllib.loads(configs.write(config))) == config


CODED = [name for name in RECIPES if not is_without_code(resolve({"recipe": name}).model.network)]


def test_the_recipe_without_a_code_learns_and_is_the_same_after_saving(digits: tiny.Digits, tmp_path: Any) -> None:
    assert set(RECIPES) - set(CODED) == {"photo"}
    small = {"hidden": [4, 6, 8], "epochs": 2, "noise": "gaussian:0.3"}
    trainer = tiny.trainer(tiny.prepared(digits.samples, recipe="photo", **small))
    tiny.run(trainer)
    trained = [cost for cost, _ in tiny.costs(trainer.monitor)]
    assert trained[-1] < trained[0]
    model, x = trainer.model, digits.x[:5]
    loaded = load_model(model.save(tmp_path / "model"))
    assert (loaded.denoise(x) == model.denoise(x)).all()
    assert (loaded.config, loaded.preprocess) == (model.config, model.preprocess)


@pytest.mark.parametrize("noise", ["none", "gaussian:0.5"])
@pytest.mark.parametrize("name", CODED)
def test_recipe_learns_and_is_the_same_after_saving(name: str, noise: str, digits: tiny.Digits, tmp_path: Any) -> None:
    ready = tiny.prepared(digits.samples, recipe=name, noise=noise, epochs=3, patience="none")
    trainer = tiny.trainer(ready)
    tiny.run(trainer)
    trained = [cost for cost, _ in tiny.costs(trainer.monitor)]
    assert trained[-1] < trained[0]
    model, x = trainer.model, digits.x[:5]
    with tiny.assert_global_generator_untouched():
        z = model.encode(x)
    assert (model.encode(x) == z).all()
    assert z.shape == (5, model.z_size)
    loaded = load_model(model.save(tmp_path / "model"))
    assert (loaded.encode(x) == z).all()
    assert (loaded.reconstruct(x) == model.reconstruct(x)).all()
    assert (loaded.decode(z) == model.decode(z)).all()
    assert loaded.config == model.config
    assert loaded.preprocess == model.preprocess


@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
@pytest.mark.parametrize("name", CODED)
def test_model_gives_the_same_on_a_gpu(name: str, digits: tiny.Digits) -> None:
    model = tiny.trainer(tiny.prepared(digits.samples, recipe=name)).model
    on_processor = model.encode(digits.x)
    on_gpu = model.to("cuda").encode(digits.x)
    assert on_gpu == pytest.approx(on_processor, abs=1e-3)  # TF32-free float32 sums of 784 terms in another order
