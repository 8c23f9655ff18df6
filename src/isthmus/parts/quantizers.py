"""Bottlenecks with a finite number of codes: a learned codebook (VQ), or a fixed grid (FSQ).

A code of z_size numbers is a row of tokens; `indices` gives the codeword of each token, `codes` is its inverse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from isthmus.parts.codes import AbstractBottleneck, Code, precise, straight_through
from isthmus.randomness import generator_for
from isthmus.wording import counted

USUAL_WIDTH = 4  # width of a token: 8 tokens of 512 codewords have 72 bits; 32 numbers in bfloat16 have 512
DEAD = 0.03  # share of the usual count: an unused codeword falls below it in 350 steps at a decay of 0.99
AT_ONCE = 2**24  # distances, 64 MB of float32
MOST_CODES = 65_536  # more could not be filled by a data set, and the distances would take too long


def _code_of(z_size: int) -> str:
    return f"a code of {counted(z_size, 'number')}"


def _in_full(device: torch.device) -> AbstractContextManager[object]:
    """Turns bfloat16 off inside the block; on the device "meta", where only sizes are counted, there is none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


class VQ(AbstractBottleneck):
    """vq:CODES,width=D: replaces each token of D numbers by the nearest of CODES learned codewords.

    Gradients pass through unchanged. In training, codewords follow the running means of their tokens (van den Oord et
    al. 2017, arXiv:1711.00937, appendix A.1). A codeword that is hardly ever used is moved to a random token of the
    batch; so are all in the first step. Penalty `commitment`: the squared distance to the codewords, eq. 3.
    """

    penalties: Mapping[str, float] = {"commitment": 0.25}  # the paper's; its results did not change from 0.1 to 2
    continuous = False
    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int = 512, *, width: int | str = "auto", decay: float = 0.99, z_size: int) -> None:
        super().__init__()
        if not 2 <= int(codes) <= MOST_CODES:
            raise ValueError(f"the number of codewords must be 2 to {MOST_CODES:,}, not {codes}")
        divisors = [d for d in range(1, z_size + 1) if z_size % d == 0]
        width = max(d for d in divisors if d <= USUAL_WIDTH) if width == "auto" else width
        if width not in divisors:
            allowed = ", ".join(map(str, divisors))
            raise ValueError(f"{_code_of(z_size)} cannot have tokens of width {width}; allowed: {allowed}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {decay!r}")
        self.width, self.decay, self.n_tokens = int(width), decay, z_size // int(width)
        generator = generator_for(0, "codebook")  # the start does not matter, see above
        self.register_buffer("codebook", torch.randn(int(codes), self.width, generator=generator, device="cpu"))
        self.register_buffer("counts", torch.zeros(int(codes)))
        self.register_buffer("sums", torch.zeros(int(codes), self.width))

    @property
    def n_codes(self) -> int:
        return len(self.codebook)

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        h = precise(h)
        tokens = rearrange(h, "b (t d) -> (b t) d", d=self.width)
        indices = self.nearest(tokens.detach())
        value = rearrange(self.codebook[indices], "(b t) d -> b (t d)", t=self.n_tokens).to(h.dtype)
        if sample and self.training:
            self.learn(tokens.detach(), indices, generator)
        commitment = (h - value).square().sum(1)
        aux = {"indices": rearrange(indices, "(b t) -> b t", t=self.n_tokens)}
        return Code(straight_through(h, value), {"commitment": commitment}, aux)

    @torch.no_grad()
    def nearest(self, tokens: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """The index of the codeword nearest to each token, by the squared distance without its constant part."""
        codebook = self.codebook.to(tokens.dtype)
        lengths = codebook.square().sum(1)
        with _in_full(tokens.device):  # with two digits, the wrong codeword could be nearest
            # An exported graph cannot contain a loop over parts, because their number depends on the batch size.
            exporting = torch.compiler.is_compiling()
            parts = (tokens,) if exporting else tokens.split(max(1, AT_ONCE // self.n_codes))
            return torch.cat([(lengths - 2 * part @ codebook.T).argmin(1) for part in parts])

    @torch.no_grad()
    def learn(
        self, tokens: Float[Tensor, "N D"], indices: Int[Tensor, " N"], generator: torch.Generator | None
    ) -> None:
        """Updates the running means, and moves codewords that are out of use; all on the device."""
        with _in_full(tokens.device):
            tokens = tokens.to(self.codebook.dtype)
            begun = (self.counts > 0).any()  # before, the use of the random codewords means nothing
            chosen = tokens.new_zeros(len(tokens), self.n_codes).scatter_(1, indices[:, None], 1.0)
            counts = self.counts.lerp(chosen.sum(0), 1 - self.decay)
            sums = self.sums.lerp(chosen.T @ tokens, 1 - self.decay)
        usual = len(tokens) / self.n_codes
        picks = torch.randint(len(tokens), (self.n_codes,), generator=generator, device=tokens.device)
        dead = (counts < DEAD * usual) | ~begun
        counts = counts.masked_fill(dead, usual)
        sums = torch.where(dead[:, None], usual * tokens[picks], sums)
        sound = sums.isfinite().all()  # a bad batch, whose step is skipped, must not change the codebook
        self.counts.copy_(torch.where(sound, counts, self.counts))
        self.sums.copy_(torch.where(sound, sums, self.sums))
        self.codebook.copy_(torch.where(sound, sums / counts[:, None], self.codebook))

    def codes(self, indices: Int[Tensor, "B T"]) -> Float[Tensor, "B Z"]:
        """z from the indices of the codewords."""
        return rearrange(self.codebook[indices], "b t d -> b (t d)")

    def indices(self, z: Float[Tensor, "B Z"]) -> Int[Tensor, "B T"]:
        """The indices of the codewords of z."""
        tokens = rearrange(precise(z), "b (t d) -> (b t) d", d=self.width)
        return rearrange(self.nearest(tokens), "(b t) -> b t", t=self.n_tokens)

    def statistics(self) -> dict[str, float]:
        """The perplexity of the codewords' recent frequencies: the effective number of codewords in use."""
        shares = self.counts.double() / max(float(self.counts.sum()), 1e-12)
        return {"perplexity": float(torch.special.entr(shares).sum().exp())}

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size): every token drawn independently, each codeword as often as in training."""
        shares = self.counts.to(generator.device) + 1e-12  # untrained, all are equally likely
        drawn = torch.multinomial(shares, n * self.n_tokens, replacement=True, generator=generator)
        return self.codes(rearrange(drawn.to(self.codebook.device), "(b t) -> b t", t=self.n_tokens))


class FSQ(AbstractBottleneck):
    """fsq:LEVELS: rounds each number of the code to one of LEVELS values in [-1, 1]; gradients pass through.

    With `fsq:8x5x5x5`, the numbers of a token have 8, 5, 5 and 5 levels, so a token has 1,000 possible values. Source:
    Mentzer et al. 2024, Finite scalar quantization, arXiv:2309.15505, the listing in appendix A.1, but with `atanh`
    instead of `tan`, so that a feature of 0 stays 0, and with the ends a little further out, so that they are reached.
    """

    continuous = False
    levels: Tensor

    def __init__(self, levels: int | str = 5, *, z_size: int) -> None:  # 5: the least that the paper recommends
        super().__init__()
        try:
            found = [int(part) for part in str(levels).split("x")]
        except ValueError:
            raise ValueError(f"the levels must be numbers such as 5 or 8x5x5x5, not {levels!r}") from None
        if min(found) < 2 or math.prod(found) > 2**31:
            raise ValueError(f"the levels must be 2 or more, with a product up to 2^31, not {levels!r}")
        if z_size % len(found):
            raise ValueError(f"{_code_of(z_size)} cannot be divided into tokens of {len(found)}")
        self.width, self.n_codes = len(found), math.prod(found)
        self.register_buffer("levels", torch.tensor(found, device="cpu").repeat(z_size // self.width))

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        h = precise(h)
        reach = (self.levels - 1) / 2
        # A little more, because otherwise tanh reaches the end levels only at infinity; but never rounding beyond them.
        half = reach + (reach * 1e-3).clamp(max=0.25)
        offset = 0.5 * (self.levels % 2 == 0)  # without this shift, an even number of levels has none at 0
        bounded = (h + (offset / half).atanh().to(h.dtype)).tanh() * half - offset
        z = straight_through(bounded, bounded.round()) / (self.levels // 2)
        return Code(z.to(h.dtype), {}, {"indices": self.indices(z)})

    def indices(self, z: Float[Tensor, "B Z"]) -> Int[Tensor, "B T"]:
        """Which of the `n_codes` values each token has: its levels as digits of a number, the first the lowest."""
        half = self.levels // 2
        digits = rearrange((precise(z) * half).round().long() + half, "b (t d) -> b t d", d=self.width)
        return (digits * self._places()).sum(2)

    def codes(self, indices: Int[Tensor, "B T"]) -> Float[Tensor, "B Z"]:
        """z from the indices of the tokens."""
        digits = indices[:, :, None] // self._places() % self.levels[: self.width]
        half = self.levels // 2
        return (rearrange(digits, "b t d -> b (t d)") - half) / half

    def _places(self) -> Tensor:
        """The value of each digit: 1, L1, L1 L2, …"""
        levels = self.levels[: self.width]
        return levels.cumprod(0) // levels

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size): every token drawn independently, with all its values equally likely."""
        shape = (n, len(self.levels) // self.width)
        indices = torch.randint(self.n_codes, shape, generator=generator, device=generator.device)
        return self.codes(indices.to(self.levels.device))
