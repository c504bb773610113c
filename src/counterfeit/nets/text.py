"""Nets that read captions: an encoder, and players that are conditioned on what it says.

References:
    Convolutional Neural Networks for Sentence Classification, Kim, 2014 (arXiv 1408.5882).
    Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396).
    cGANs with Projection Discriminator, Miyato and Koyama, 2018 (arXiv 1802.05637).
    VSE++: Improving Visual-Semantic Embeddings with Hard Negatives, Faghri et al., 2017 (arXiv 1707.05612).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from counterfeit.core import Net, Spec, check_captions
from counterfeit.nets.conv import ConvPlayers
from counterfeit.nets.layers import pixel_norm

__all__ = ["Asked", "CaptionEncoder", "TextDiscriminator", "TextGenerator"]


class Phrase(NamedTuple):
    """Words, in order of the alphabet of phrases, that name `value` of `attribute`."""

    words: tuple[str, ...]
    attribute: int
    value: int


class Asked(nn.Module):
    """Tokens (B, length) -> int64 (B, attributes): which value of each attribute captions ask for, -1 for none.

    Arguments:
        spec: what the data are, with `phrases`.

    Example:
        >>> color, place = (("red",),), (("top",), ("top left",))
        >>> spec = Spec((3, 8, 8), vocabulary=("left", "red", "top"), max_tokens=2, phrases=(color, place))
        >>> Asked(spec)(torch.tensor([[3, 0], [3, 1]]))
        tensor([[-1,  0],
                [-1,  1]])
    """

    table: Tensor
    sizes: Tensor
    attribute: Tensor
    value: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        phrases = sorted(
            (Phrase(tuple(name.split()), attribute, value) for attribute, values in enumerate(spec.phrases)
             for value, names in enumerate(values) for name in names),
            key=lambda phrase: (len(phrase.words), phrase),  # "top left" has the last word over "top"
        )  # fmt: skip
        places = {word: token for token, word in enumerate(spec.vocabulary, 1)}
        table = torch.zeros(len(phrases), len(spec.vocabulary) + 1)
        for row, phrase in zip(table, phrases, strict=True):
            row[[places[word] for word in phrase.words]] = 1.0
        column = torch.tensor([phrase.attribute for phrase in phrases])
        tensors = {
            "table": table, "sizes": table.sum(1), "value": torch.tensor([phrase.value for phrase in phrases]),
            "attribute": column == torch.arange(len(spec.phrases))[:, None],
        }  # fmt: skip
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        """(B, length) -> (B, attributes)."""
        said = self.table.new_zeros(len(y), self.table.shape[1]).scatter_(1, y, 1.0)
        found = (said[:, None] * self.table).sum(2) == self.sizes  # (B, phrases)
        rank = torch.arange(1, len(self.table) + 1, device=y.device)
        last, place = (found[:, None] & self.attribute).long().mul(rank).max(2)  # (B, attributes)
        return self.value[place].where(last > 0, -1)


class CaptionEncoder(Net):
    """Tokens (B, length) -> codes (B, code_dim): words and their neighbours, of which each feature keeps the most.

    Codes have a root mean square of 1, as the noise beside them: longer ones would drown it, and every sample for a
    caption would be the same.

    Arguments:
        words: how many words there are; token 0 is none.
        code_dim: size of a code.
        width: features of a word.
    """

    def __init__(self, words: int, code_dim: int, width: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, width, padding_idx=0)
        self.convolution, self.last = nn.Conv1d(width, width, 3, padding=1), nn.Linear(width, code_dim)

    def forward(self, y: Tensor) -> Tensor:
        """(B, length) -> (B, code_dim)."""
        h = self.embedding(y).mT  # (B, width, length)
        h = self.convolution(h).relu() * (y > 0)[:, None]  # nothing is read off the padding
        return pixel_norm(self.last(h.amax(2)).float())


class TextGenerator(Net):
    """Codes (B, noise and caption) -> images; it holds the encoder that makes the caption's part of a code.

    Arguments:
        spec: what the data are: images with captions.
        players: sizes and norms.
        noise_dim: size of the noise.
        caption_dim: size of a caption's code.
    """

    def __init__(self, spec: Spec, players: ConvPlayers, noise_dim: int, caption_dim: int) -> None:
        super().__init__()
        self.encoder = CaptionEncoder(len(spec.vocabulary), caption_dim)
        self.body = players.generator(spec, noise_dim + caption_dim)

    def forward(self, z: Tensor) -> Tensor:
        """(B, noise_dim + caption_dim) -> (B, C, H, W)."""
        return self.body(z)


class TextDiscriminator(Net):
    """Images and captions -> (B, 2): whether an image is real and shows what its caption says, or what another's says.

    The other is the hardest of the minibatch, the one most like it as the net reads captions at present (Faghri et al.,
    2017, section 3.3). That costs next to nothing once the image has been looked at. It is one that is wrong: where the
    data know what captions can say, both say something of an attribute, and not the same; else the words differ, and
    the image. Where the minibatch holds none, the second column is no number.

    Arguments:
        spec: what the data are: images with captions.
        players: sizes and norms.
        caption_dim: size of a caption's code.
        features: of an image, on which the caption is projected.
    """

    def __init__(self, spec: Spec, players: ConvPlayers, caption_dim: int, features: int = 256) -> None:
        super().__init__()
        self.encoder = CaptionEncoder(len(spec.vocabulary), caption_dim)
        self.body = players.discriminator(spec, outputs=features)
        self.spec, self.real, self.match = spec, nn.Linear(features, 1), nn.Linear(caption_dim, features)
        self.asked = Asked(spec) if spec.phrases else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, C, H, W), and tokens (B, length) or codes (B, caption_dim) -> (B, 2)."""
        h = leaky_relu(self.body(x), 0.2)
        if y is None or not y.is_floating_point():
            y = check_captions(y, len(x), self.spec, values=False)
        code, wrong = y if y.is_floating_point() else self.encoder(y), self._wrong(x, y)
        sought = self.match(code)
        hardest = (code @ code.mT).masked_fill(~wrong, -torch.inf).argmax(1)
        match = (torch.stack([sought, sought[hardest]], 1) * h[:, None]).sum(2)  # (B, 2)
        out = self.real(h).float() + match.float() / h.shape[1] ** 0.5
        return torch.cat([out[:, :1], out[:, 1:].where(wrong.any(1, keepdim=True), torch.nan)], 1)

    def _wrong(self, x: Tensor, y: Tensor) -> Tensor:
        """Which captions, in columns, are not true of an image, in rows, as far as is known, (B, B)."""
        if self.asked is None or y.is_floating_point():
            light = x.flatten(1).sum(1)  # several captions may belong to one image
            return (y[:, None] != y).any(2) & (light[:, None] != light)
        asked = self.asked(y)
        one, other = asked[:, None], asked[None]
        return ((one >= 0) & (other >= 0) & (one != other)).any(2)
