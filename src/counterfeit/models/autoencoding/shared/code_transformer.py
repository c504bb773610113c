"""A causal transformer over grids of codes: the probability of each given those before it, row by row.

References:
    Attention Is All You Need, Vaswani et al., 2017 (arXiv 1706.03762).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from counterfeit.core import Net
from counterfeit.models.autoregressive.shared.chain import Chain, State
from counterfeit.models.autoregressive.shared.conditionals import Conditional
from counterfeit.nets.layers import at_least_float32, attend
from counterfeit.nets.mlp import Dropout

__all__ = ["CodeChain", "CodeTransformer", "TransformerSettings"]


@dataclass(frozen=True)
class TransformerSettings:
    """The sizes of the transformer that is the prior over codes.

    Arguments:
        prior_width: numbers that stand for each place between its layers; a multiple of `prior_heads`.
        prior_layers: how many there are.
        prior_heads: of attention.
        prior_dropout: rate after attention and after each layer's hidden units.

    Raises:
        ValueError: where there is no layer, or the width is no multiple of the heads.
    """

    prior_width: int = 128
    prior_layers: int = 3
    prior_heads: int = 4
    prior_dropout: float = 0.0

    def __post_init__(self) -> None:
        least = min(self.prior_width, self.prior_layers, self.prior_heads)
        if least < 1 or self.prior_width % self.prior_heads or not 0 <= self.prior_dropout < 1:
            came = f"prior_width={self.prior_width}, prior_layers={self.prior_layers}, prior_heads={self.prior_heads}, "
            came += f"prior_dropout={self.prior_dropout} came"
            raise ValueError(f"{came}; at least 1, a width that heads divide, and a rate in [0, 1) are expected.")


class Block(nn.Module):
    """Attention to what came before, and a layer of hidden units, each beside the identity and after a norm."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        width, drop = settings.prior_width, settings.prior_dropout
        self.heads = settings.prior_heads
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dropout = Dropout(drop) if drop else nn.Identity()
        self.units = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), self.dropout
        )

    def forward(self, x: Tensor) -> Tensor:
        """All places at once, (B, T, width)."""
        return self._added(x, attend(*self._projected(x), causal=True))

    def step(self, x: Tensor, cache: Tensor, t: int) -> Tensor:
        """Place `t` alone, (B, 1, width); `cache`, (B, 2, heads, T, size), gains its key and value."""
        q, k, v = self._projected(x)
        cache[:, 0, :, t], cache[:, 1, :, t] = k[:, :, 0], v[:, :, 0]
        keys, values = cache[:, :, :, : t + 1].unbind(1)
        return self._added(x, attend(q, keys, values))

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, T, size)
        return q, k, v

    def _added(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.units(x)


class CodeTransformer(Net):
    """Logits of each code of a sequence, given the codes before it.

    Arguments:
        values: that a code has.
        places: length of the sequence.
        settings: how large it is.

    Example:
        >>> CodeTransformer(5, 6, TransformerSettings())(torch.zeros(2, 6, dtype=torch.int64)).shape
        torch.Size([2, 6, 5])
    """

    def __init__(self, values: int, places: int, settings: TransformerSettings) -> None:
        super().__init__()
        width = settings.prior_width
        self.embedding, self.start = nn.Embedding(values, width), nn.Parameter(torch.randn(width))
        self.position = nn.Parameter(torch.randn(places, width))
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.prior_layers))
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, values)
        for vector in (self.embedding.weight, self.start, self.position):
            nn.init.normal_(vector, 0.0, 0.02)

    def forward(self, codes: Tensor) -> Tensor:
        """Int64 (B, places) -> (B, places, values)."""
        start = self.start.expand(len(codes), 1, -1)
        x = torch.cat([start, self.embedding(codes[:, :-1])], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return at_least_float32(self.last(self.norm(x)))

    def cache(self, n: int) -> Tensor:
        """Room for the keys and values of `n` sequences, (n, layers, 2, heads, places, size)."""
        block = cast(Block, self.blocks[0])
        size = len(self.start) // block.heads
        return self.start.new_zeros(n, len(self.blocks), 2, block.heads, len(self.position), size)

    def step(self, before: Tensor | None, cache: Tensor, t: int) -> Tensor:
        """Logits of place `t`, (n, values), after the code `before` it, int64 (n,); None before the first."""
        x = self.start.expand(len(cache), -1) if before is None else self.embedding(before)
        x = (x + self.position[t]).unsqueeze(1)
        for i, block in enumerate(self.blocks):
            x = cast(Block, block).step(x, cache[:, i], t)
        return self.last(self.norm(x))[:, 0]


class Categorical(Conditional):
    """One of several values; its parameters are their logits, (…, values)."""

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Log-probability of values in nats, (…)."""
        return parameters.log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def sample(self, parameters: Tensor) -> Tensor:
        """Values, (…)."""
        return torch.multinomial(parameters.softmax(-1).flatten(0, -2), 1).view(parameters.shape[:-1])


class CodeChain(Chain):
    """The conditionals of a transformer; remembered are the logits to come, and keys and values of what came."""

    def __init__(self, net: CodeTransformer) -> None:
        super().__init__(torch.arange(len(net.position), device=net.position.device), Categorical())
        self.net = net

    def parameters(self, x: Tensor) -> Tensor:
        """Logits of every code, (B, places) -> (B, places, values)."""
        return self.net(x.long())

    def begin(self, n: int) -> State:
        """Logits of the first, and room for what is to come."""
        cache = self.net.cache(n)
        return self.net.step(None, cache, 0), cache

    def ask(self, state: State, i: int) -> Tensor:  # noqa: ARG002
        """Logits of the i-th code, (n, values)."""
        return state[0]

    def take(self, state: State, i: int, value: Tensor) -> State:
        """Logits of the one after it."""
        logits, cache = state
        return (self.net.step(value.long(), cache, i + 1) if i + 1 < len(self.places) else logits), cache
