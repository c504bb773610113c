"""Recurrent nets of texts: one that reads a text as a vector, and one that says the next token, given a code or not.

References:
    Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation, Cho et al., 2014
        (arXiv 1406.1078): the gated recurrent unit.
    Generating Sentences from a Continuous Space, Bowman et al., 2016 (arXiv 1511.06349).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from counterfeit.core import Net, Spec

__all__ = ["RecurrentSettings", "TextDecoder", "TextEncoder", "alive", "draw_text", "text_log_prob"]

UNKNOWN = 1  # the token that stands for any other


@dataclass(frozen=True)
class RecurrentSettings:
    """Sizes of recurrent nets of texts.

    Arguments:
        embedding_dim: numbers that stand for a token.
        hidden: of the recurrent layer.
        dropout: share of embeddings' numbers, and of the layer's, that is left out in training.
    """

    embedding_dim: int = 128
    hidden: int = 256
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.embedding_dim, self.hidden) < 1 or not 0 <= self.dropout < 1:
            came = f"embedding_dim={self.embedding_dim}, hidden={self.hidden}, dropout={self.dropout} came"
            raise ValueError(f"{came}; sizes of at least 1 and a share below 1 are expected. Correct them.")


class TextEncoder(Net):
    """Reads texts from both ends, and gives numbers of each.

    Arguments:
        spec: of texts.
        sizes: of the net.
        outputs: numbers of a text.
    """

    def __init__(self, spec: Spec, sizes: RecurrentSettings, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(spec.vocabulary) + 1, sizes.embedding_dim)
        self.gru = nn.GRU(sizes.embedding_dim, sizes.hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * sizes.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T) -> (B, outputs)."""
        lengths = (x > 0).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.embed(x.long()), lengths, batch_first=True, enforce_sorted=False)
        last = self.gru(packed)[1]  # (2, B, hidden)
        return self.out(torch.cat([*last], 1)).float()


class TextDecoder(Net):
    """Says of each token, given those before it and a code where there is one, how likely every token is.

    Arguments:
        spec: of texts.
        sizes: of the net.
        code_dim: numbers of a code, which enters at every step; 0 for none.
    """

    def __init__(self, spec: Spec, sizes: RecurrentSettings, code_dim: int = 0) -> None:
        super().__init__()
        tokens = len(spec.vocabulary) + 1
        self.start = tokens  # what stands before the first token
        self.embed = nn.Embedding(tokens + 1, sizes.embedding_dim)
        self.gru = nn.GRU(sizes.embedding_dim + code_dim, sizes.hidden, batch_first=True)
        self.dropout = nn.Dropout(sizes.dropout)
        self.out = nn.Linear(sizes.hidden, tokens)

    def forward(self, before: Tensor, z: Tensor | None = None, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of what follows each of the tokens `before`, (B, T) -> (B, T, tokens), and the state after them.

        Arguments:
            before: `start`, and tokens behind it.
            z: codes, (B, code_dim).
            state: after what came earlier, (1, B, hidden).
        """
        h = self.dropout(self.embed(before))
        if z is not None:
            h = torch.cat([h, z[:, None].expand(-1, h.shape[1], -1).to(h)], 2)
        h, state = self.gru(h, state)
        return self.out(self.dropout(h)).float(), state

    def shifted(self, x: Tensor, word_dropout: float = 0.0) -> Tensor:
        """Texts, (B, T), one place to the right behind `start`; that share of tokens is replaced by the unknown one."""
        x = x.long()
        if word_dropout:
            x = torch.where((torch.rand(x.shape, device=x.device) < word_dropout) & (x > 0), UNKNOWN, x)
        return torch.cat([torch.full_like(x[:, :1], self.start), x[:, :-1]], 1)


def alive(x: Tensor) -> Tensor:
    """Where a text, (B, T), still goes on or ends: up to its first 0."""
    return torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] > 0], 1)


def text_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """Log-probability of texts in nats, with their ends where there is room: (B, T, tokens), (B, T) -> (B,)."""
    each = logits.log_softmax(2).gather(2, x.long().unsqueeze(2)).squeeze(2)
    return torch.where(alive(x), each, 0).sum(1)


def draw_text(decoder: TextDecoder, n: int, length: int, z: Tensor | None = None, likeliest: bool = False) -> Tensor:
    """Texts, (n, length), one token after another: drawn, or the likeliest one each time."""
    device = decoder.out.weight.device
    token, state = torch.full((n, 1), decoder.start, device=device), None
    x = torch.zeros(n, length, device=device)
    going = torch.ones(n, 1, dtype=torch.bool, device=device)
    for t in range(length):
        logits, state = decoder(token, z, state)
        chosen = logits[:, 0].argmax(1, keepdim=True) if likeliest else torch.multinomial(logits[:, 0].softmax(1), 1)
        token = torch.where(going, chosen, 0)
        going = token > 0
        x[:, t] = token[:, 0]
    return x
