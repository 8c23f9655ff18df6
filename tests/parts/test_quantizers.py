from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from contract import assert_close, seeded
from isthmus.errors import UsageError
from isthmus.models.footprint import footprint
from isthmus.parts.bottlenecks import bottleneck
from isthmus.parts.quantizers import FSQ, VQ
from isthmus.training import prepare


def vq(codes: int, *, width: int, z_size: int, **settings: float) -> VQ:
    """A codebook of normal codewords, in training mode."""
    part = VQ(codes, width=width, z_size=z_size, **settings).train()
    part.codebook.normal_(generator=seeded(9))
    return part


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


def test_every_token_becomes_the_nearest_codeword_of_all() -> None:
    part, h = vq(7, width=2, z_size=6), normal(5, 6)
    code = part(h, sample=False)
    for b, t in itertools.product(range(5), range(3)):
        token = h[b, 2 * t : 2 * t + 2]
        best = min(range(7), key=lambda k: float((token - part.codebook[k]).square().sum()))
        assert int(code.aux["indices"][b, t]) == best
        assert torch.equal(code.z[b, 2 * t : 2 * t + 2], part.codebook[best])
    assert_close(code.penalties["commitment"], (h - code.z).square().sum(1))


def test_the_search_in_pieces_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    part, h = vq(7, width=2, z_size=6), normal(50, 6)
    whole = part(h, sample=False).aux["indices"]
    monkeypatch.setattr("isthmus.parts.quantizers.AT_ONCE", 20)
    assert torch.equal(part(h, sample=False).aux["indices"], whole)


def test_gradients_pass_straight_through_to_the_features() -> None:
    h = normal(5, 6).requires_grad_()
    for part in (vq(7, width=2, z_size=6), FSQ(5, z_size=6)):
        weight = normal(5, 6, seed=3)
        (gradient,) = torch.autograd.grad((part(h, sample=False).z * weight).sum(), h)
        expected = weight if isinstance(part, VQ) else weight * (1 - h.tanh().square()) * (1 + 1e-3)  # half / (L // 2)
        assert_close(gradient, expected.detach())


def test_the_codebook_follows_the_means_of_its_tokens() -> None:
    part, h = vq(3, width=2, z_size=2, decay=0.9), normal(60, 2)
    part.counts.fill_(20.0)
    part.sums.copy_(20 * part.codebook)
    before, code = part.codebook.clone(), part(h, sample=False)
    part(h, sample=True, generator=seeded(0))
    for k in range(3):
        mine = h[code.aux["indices"][:, 0] == k]
        count, total = 0.9 * 20 + 0.1 * len(mine), 0.9 * 20 * before[k] + 0.1 * mine.sum(0)
        assert_close(part.counts[k], torch.tensor(count))
        assert_close(part.codebook[k], total / count)


@pytest.mark.parametrize(("training", "sample"), [(True, False), (False, True), (False, False)])
def test_the_codebook_stays_as_it_is_outside_of_training(training: bool, sample: bool) -> None:
    part = vq(5, width=2, z_size=4).train(training)
    before = tiny.weights(part)
    part(normal(9, 4), sample=sample, generator=seeded(0))
    tiny.assert_equal_weights(tiny.weights(part), before)


def test_codewords_out_of_use_start_again_at_tokens_of_the_batch() -> None:
    part, h = vq(4, width=2, z_size=2), normal(40, 2)
    part.codebook[3] = 1e6  # nothing is near it
    part.counts.fill_(10.0)
    part.counts[3] = 0.1
    part.sums.copy_(part.counts[:, None] * part.codebook)
    part(h, sample=True, generator=seeded(0))
    assert bool((part.codebook[3] == h).all(1).any())
    assert float(part.counts[3]) == 10.0  # the average number: 40 tokens for 4 codewords


def test_at_the_first_step_all_codewords_start_in_the_data() -> None:
    part, h = VQ(64, width=2, z_size=2).train(), 100 + normal(256, 2)
    part(h, sample=True, generator=seeded(0))
    assert float(part.codebook.min()) > 90
    shares = torch.bincount(part.eval()(h, sample=False).aux["indices"].flatten(), minlength=64) / 256
    assert float(torch.special.entr(shares).sum().exp()) > 20  # 40 of the 64 drawn with replacement are different


def test_what_random_codewords_won_does_not_count_as_use() -> None:
    part = VQ(8, width=2, z_size=2).train()
    part(100 + normal(128, 2), sample=True, generator=seeded(0))  # all lie nearest to one of the codewords drawn
    torch.testing.assert_close(part.counts, torch.full((8,), 16.0))


def test_one_batch_that_is_not_finite_leaves_the_codebook_as_it_was() -> None:
    part = vq(4, width=2, z_size=2)
    part(normal(40, 2), sample=True, generator=seeded(0))
    before = tiny.weights(part)
    part(torch.full((3, 2), math.nan), sample=True, generator=seeded(0))
    tiny.assert_equal_weights(tiny.weights(part), before)


def test_perplexity_is_the_number_of_codewords_in_equal_use() -> None:
    part = vq(8, width=1, z_size=1)
    part.counts.copy_(torch.tensor([5.0, 5, 5, 5, 0, 0, 0, 0]))
    assert part.statistics() == {"perplexity": pytest.approx(4.0)}


def test_the_prior_of_a_codebook_draws_codewords_as_often_as_they_came() -> None:
    part = vq(3, width=2, z_size=4)
    part.counts.copy_(torch.tensor([6.0, 3.0, 1.0]))
    found = part.indices(part.sample_prior(20_000, seeded(0)))
    shares = torch.bincount(found.flatten(), minlength=3) / found.numel()
    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.01)  # a share of 40,000 draws errs by 0.0025


@pytest.mark.parametrize("part", [vq(7, width=3, z_size=12), FSQ("8x5x3", z_size=12), FSQ(4, z_size=12)])
def test_codes_and_indices_are_each_others_inverse(part: VQ | FSQ) -> None:
    tokens = 12 // part.width
    indices = torch.randint(part.n_codes, (200, tokens), generator=seeded(0))
    assert torch.equal(part.indices(part.codes(indices)), indices)
    code = part(3 * normal(50, 12), sample=False)
    assert torch.equal(part.codes(code.aux["indices"]), code.z)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 8, 1_001, 2_000])
def test_fsq_has_as_many_levels_as_it_says_in_reach_of_the_features(levels: int) -> None:
    part = FSQ(levels, z_size=1)
    z = part(torch.linspace(-9, 9, 100_001)[:, None], sample=False).z
    assert len(z.unique()) == levels
    assert -1 <= float(z.min()) < float(z.max()) <= 1
    assert float(part(torch.zeros(1, 1), sample=False).z) == 0  # a feature of 0 stays 0
    assert torch.equal(part.codes(part.indices(z)), z)
    assert len(part.indices(part.sample_prior(50 * levels, seeded(0))).unique()) == levels


@pytest.mark.parametrize(
    ("text", "z_size", "message"),
    [
        ("vq:512,width=3", 32, "cannot have tokens of width 3; allowed: 1, 2, 4, 8, 16, 32"),
        ("vq:1", 32, "must be 2 to 65,536, not 1"),
        ("vq:1000000", 32, "must be 2 to 65,536, not 1000000"),
        ("vq:8,decay=1", 32, "must be at least 0 and below 1"),
        ("fsq:8x5", 3, "a code of 3 numbers cannot be divided into tokens of 2"),
        ("fsq:8x5", 1, "a code of 1 number cannot be divided into tokens of 2"),
        ("fsq:1", 3, "must be 2 or more"),
        ("fsq:a", 3, "must be numbers such as"),
    ],
)
def test_impossible_codebooks_are_refused(text: str, z_size: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bottleneck(text, z_size)


def test_token_widths_fit_the_code() -> None:
    widths = {z_size: VQ(8, z_size=z_size).width for z_size in (1, 3, 7, 10, 16, 32)}
    assert widths == {1: 1, 3: 3, 7: 1, 10: 2, 16: 4, 32: 4}


def test_vq_equals_the_package_vector_quantize_pytorch() -> None:
    from vector_quantize_pytorch import VectorQuantize

    theirs = VectorQuantize(dim=4, codebook_size=16, decay=0.99, commitment_weight=1.0, threshold_ema_dead_code=0)
    ours = vq(16, width=4, z_size=8)
    theirs.codebook = ours.codebook.clone()
    theirs._codebook.cluster_size.fill_(10.0)
    theirs._codebook.embed_avg.copy_(10 * ours.codebook)
    ours.counts.fill_(10.0)
    ours.sums.copy_(10 * ours.codebook)
    theirs.train()
    for seed in range(5):
        h = normal(30, 8, seed=seed)
        code = ours(h, sample=True, generator=seeded(seed))
        value, indices, commitment = theirs(h.reshape(30, 2, 4))
        assert torch.equal(code.aux["indices"], indices)
        torch.testing.assert_close(code.z, value.reshape(30, 8).detach(), rtol=1e-4, atol=1e-5)
        # theirs is a mean over all values, ours a sum over the values of a sample
        assert float(code.penalties["commitment"].mean() / 8) == pytest.approx(commitment.item(), rel=1e-4)
        # They smooth the counts by 1e-5 of 16 codewords; over five steps that is some 1e-6.
        torch.testing.assert_close(ours.codebook, theirs.codebook, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("levels", ["5", "8x5x5x5", "4x3", "7x7"])
def test_fsq_equals_the_package_vector_quantize_pytorch(levels: str) -> None:
    from vector_quantize_pytorch import FSQ as Theirs

    sizes = [int(level) for level in levels.split("x")]
    ours, theirs = FSQ(levels, z_size=3 * len(sizes)), Theirs(levels=sizes)
    h = 2 * normal(400, 3 * len(sizes))
    code = ours(h, sample=False)
    value, indices = theirs(h.reshape(400, 3, len(sizes)))
    assert_close(code.z, value.reshape(code.z.shape).detach())
    assert torch.equal(code.aux["indices"], indices.long())
    torch.testing.assert_close(ours.codes(indices.long()), theirs.indices_to_codes(indices).reshape(400, -1))


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("text", ["vq", "fsq"])
def test_models_of_images_with_a_quantized_code_are_counted_before_they_are_built(network: str, text: str) -> None:
    images = tiny.prepared(np.zeros((40, 3, 16, 16), np.uint8), network=network, bottleneck=text, z_size=8)
    found = footprint(images.config.model, images.preprocess)
    assert found.n_weights == prepare.fresh_model(images).n_parameters
