"""Bottlenecks whose codes are one of finitely many: a learned codebook (VQ), or a fixed grid (FSQ).

A code of z_size numbers is a row of tokens; `indices` says which codeword each token is, `codes` is its inverse.
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

USUAL_WIDTH = 4  # of a token: 8 tokens of 512 codewords are 72 bits, where 32 numbers in bfloat16 have 512
DEAD = 0.03  # of the usual count: a codeword that is not used at all gets there in 350 steps at a decay of 0.99
AT_ONCE = 2**24  # distances, 64 MB of float32
MOST_CODES = 65_536  # beyond, neither could a data set fill the codebook nor a step afford the distances


def _in_full(device: torch.device) -> AbstractContextManager[object]:
    """No bfloat16 inside; where sizes alone are counted, on the device "meta", there is none to turn off."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


class VQ(AbstractBottleneck):
    """vq:CODES,width=D: each token of D numbers becomes the nearest of CODES learned codewords; gradients pass through.

    The codebook follows the running means of what was assigned to it, in training only (van den Oord et al. 2017,
    arXiv:1711.00937, appendix A.1). A codeword that is hardly ever chosen is put at a token of the batch drawn at
    random, and so all are at the first step. Penalty `commitment`: the squared distance to the codewords, eq. 3.
    """

    penalties: Mapping[str, float] = {"commitment": 0.25}  # the paper's; its results did not change from 0.1 to 2
    continuous = False
    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int = 512, *, width: int | str = "auto", decay: float = 0.99, z_size: int) -> None:
        super().__init__()
        if not 2 <= int(codes) <= MOST_CODES:
            raise ValueError(f"{codes} codewords; 2 to {MOST_CODES:,} are possible")
        divisors = [d for d in range(1, z_size + 1) if z_size % d == 0]
        width = max(d for d in divisors if d <= USUAL_WIDTH) if width == "auto" else width
        if width not in divisors:
            raise ValueError(f"a code of {z_size} numbers has no tokens of {width}; their width must be in {divisors}")
        if not 0 <= decay < 1:
            raise ValueError(f"the decay {decay!r} is not between 0 and 1")
        self.width, self.decay, self.n_tokens = int(width), decay, z_size // int(width)
        generator = generator_for(0, "codebook")  # where they start does not matter, see above
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
        """The index of the codeword nearest to each token; by the squared distance without its constant part."""
        codebook = self.codebook.to(tokens.dtype)
        lengths = codebook.square().sum(1)
        with _in_full(tokens.device):  # two digits would choose wrong neighbors
            # Exported graphs hold no loop over parts, whose number the size of a batch decides.
            exporting = torch.compiler.is_compiling()
            parts = (tokens,) if exporting else tokens.split(max(1, AT_ONCE // self.n_codes))
            return torch.cat([(lengths - 2 * part @ codebook.T).argmin(1) for part in parts])

    @torch.no_grad()
    def learn(
        self, tokens: Float[Tensor, "N D"], indices: Int[Tensor, " N"], generator: torch.Generator | None
    ) -> None:
        """One step of the running means, and fresh starts for codewords that are out of use; all on the device."""
        with _in_full(tokens.device):
            tokens = tokens.to(self.codebook.dtype)
            begun = (self.counts > 0).any()  # before, what the random codewords won says nothing about their use
            chosen = tokens.new_zeros(len(tokens), self.n_codes).scatter_(1, indices[:, None], 1.0)
            counts = self.counts.lerp(chosen.sum(0), 1 - self.decay)
            sums = self.sums.lerp(chosen.T @ tokens, 1 - self.decay)
        usual = len(tokens) / self.n_codes
        picks = torch.randint(len(tokens), (self.n_codes,), generator=generator, device=tokens.device)
        dead = (counts < DEAD * usual) | ~begun
        counts = counts.masked_fill(dead, usual)
        sums = torch.where(dead[:, None], usual * tokens[picks], sums)
        sound = sums.isfinite().all()  # one bad batch, whose step is skipped, must not end up in the codebook
        self.counts.copy_(torch.where(sound, counts, self.counts))
        self.sums.copy_(torch.where(sound, sums, self.sums))
        self.codebook.copy_(torch.where(sound, sums / counts[:, None], self.codebook))

    def codes(self, indices: Int[Tensor, "B T"]) -> Float[Tensor, "B Z"]:
        """z of the codewords' indices."""
        return rearrange(self.codebook[indices], "b t d -> b (t d)")

    def indices(self, z: Float[Tensor, "B Z"]) -> Int[Tensor, "B T"]:
        """The codewords' indices of z."""
        tokens = rearrange(precise(z), "b (t d) -> (b t) d", d=self.width)
        return rearrange(self.nearest(tokens), "(b t) -> b t", t=self.n_tokens)

    def statistics(self) -> dict[str, float]:
        """The perplexity of the codewords' recent frequencies: as evenly are so many used."""
        shares = self.counts.double() / max(float(self.counts.sum()), 1e-12)
        return {"perplexity": float(torch.special.entr(shares).sum().exp())}

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size): every token by itself, each codeword as often as it came in training."""
        shares = self.counts.to(generator.device) + 1e-12  # untrained, all are equally likely
        drawn = torch.multinomial(shares, n * self.n_tokens, replacement=True, generator=generator)
        return self.codes(rearrange(drawn.to(self.codebook.device), "(b t) -> b t", t=self.n_tokens))


class FSQ(AbstractBottleneck):
    """fsq:LEVELS: each number of the code is rounded to one of LEVELS values in [-1, 1]; gradients pass through.

    `fsq:8x5x5x5` gives the numbers of a token 8, 5, 5 and 5 levels, so that it is one of 1,000. Source: Mentzer et
    al. 2024, Finite scalar quantization, arXiv:2309.15505, the listing in its appendix A.1, with `atanh` for its
    `tan`, so that a feature of 0 stays 0, and the ends a little further out, so that they are reached.
    """

    continuous = False
    levels: Tensor

    def __init__(self, levels: int | str = 5, *, z_size: int) -> None:  # 5: the fewest that the paper advises
        super().__init__()
        try:
            found = [int(part) for part in str(levels).split("x")]
        except ValueError:
            raise ValueError(f"the levels {levels!r} are not numbers such as 5 or 8x5x5x5") from None
        if min(found) < 2 or math.prod(found) > 2**31:
            raise ValueError(f"the levels {levels!r} are not from 2, with a product up to 2^31")
        if z_size % len(found):
            raise ValueError(f"a code of {z_size} numbers is not made of tokens of {len(found)}")
        self.width, self.n_codes = len(found), math.prod(found)
        self.register_buffer("levels", torch.tensor(found, device="cpu").repeat(z_size // self.width))

    def forward(self, h: Float[Tensor, "B Z"], *, sample: bool, generator: torch.Generator | None = None) -> Code:
        h = precise(h)
        reach = (self.levels - 1) / 2
        # A little more, or tanh would reach the end levels only at infinity; never so much that it rounds beyond them.
        half = reach + (reach * 1e-3).clamp(max=0.25)
        offset = 0.5 * (self.levels % 2 == 0)  # an even number of levels has none at zero unless moved by half a step
        bounded = (h + (offset / half).atanh().to(h.dtype)).tanh() * half - offset
        z = straight_through(bounded, bounded.round()) / (self.levels // 2)
        return Code(z.to(h.dtype), {}, {"indices": self.indices(z)})

    def indices(self, z: Float[Tensor, "B Z"]) -> Int[Tensor, "B T"]:
        """Which of the `n_codes` values each token is: its levels as the digits of one number, the first the lowest."""
        half = self.levels // 2
        digits = rearrange((precise(z) * half).round().long() + half, "b (t d) -> b t d", d=self.width)
        return (digits * self._places()).sum(2)

    def codes(self, indices: Int[Tensor, "B T"]) -> Float[Tensor, "B Z"]:
        """z of the tokens' indices."""
        digits = indices[:, :, None] // self._places() % self.levels[: self.width]
        half = self.levels // 2
        return (rearrange(digits, "b t d -> b (t d)") - half) / half

    def _places(self) -> Tensor:
        """The value of each digit: 1, L1, L1 L2, …"""
        levels = self.levels[: self.width]
        return levels.cumprod(0) // levels

    def sample_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, z_size): every token by itself, all of its values equally likely."""
        shape = (n, len(self.levels) // self.width)
        indices = torch.randint(self.n_codes, shape, generator=generator, device=generator.device)
        return self.codes(indices.to(self.levels.device))
