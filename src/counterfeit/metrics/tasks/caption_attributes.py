"""Whether samples show what captions ask for, attribute by attribute, also in pairs that training never showed.

References:
    Generative Adversarial Text to Image Synthesis, Reed et al., 2016 (arXiv 1605.05396).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Generator, Samples, Spec
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Examples, Source
from counterfeit.data.sources.captioned_shapes import Composed, composed
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.classifier import classifier
from counterfeit.metrics.features.extractors import FeatureExtractor
from counterfeit.metrics.stats.proportions import share

__all__ = ["ATTRIBUTES", "Depicts", "Named", "shares"]

KIND = 0.7  # how often the classifier is asked for the kind, which is the hardest to tell, while it learns


@runtime_checkable
class Depicts(Samples, Protocol):
    """Draws what captions say."""

    captions: Tensor
    """Some of the training data, (N, length)."""


class Named(Source):
    """Pictures of `source`, no pair of attributes kept out, whose label is the value of one attribute, drawn each time.

    What knows the chance of every label knows that of every value, given its attribute: one classifier serves them
    all. In the test split every label is a kind.

    Arguments:
        source: pictures of things with attributes.
    """

    def __init__(self, source: Source) -> None:
        known = composed(source)
        self.pictures, self.attributes = known.unabridged(), known.attributes
        self.name, self.summary = f"{source.name}-attributes", "pictures and their attributes"  # type: ignore[misc]
        self.class_names = [value for values in self.attributes.values() for value in values]
        self.spec = Spec(source.spec.shape, classes=len(self.class_names))

    def split(self, name: str) -> Examples:
        """The examples of the split "train", "valid" or "test"."""
        return _Asked(self, name)

    @property
    def fingerprint(self) -> str:
        """That of the pictures, and of what they are asked."""
        return hashlib.sha256(f"{self.pictures.fingerprint} {KIND} {self.class_names}".encode()).hexdigest()[:16]

    def found(self, x: Tensor, by: FeatureExtractor) -> Tensor:
        """The likeliest value of each attribute in pictures, (N, C, H, W) -> int64 (N, attributes)."""
        every = by.log_probs(by(x)).split([len(values) for values in self.attributes.values()], 1)
        return torch.stack([some.argmax(1) for some in every], 1)


class _Asked(Examples):
    def __init__(self, source: Named, split: str) -> None:
        self.split, self.source, self.examples = split, source, source.pictures.split(split)
        self.truth = composed(source.pictures).truth(split)
        self.starts = torch.tensor([0, *(len(v) for v in source.attributes.values())][:-1]).cumsum(0)

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        attribute = torch.zeros(len(index), dtype=torch.int64)
        if self.split != "test":
            others = torch.randint(1, len(self.starts), index.shape)
            attribute = torch.where(torch.rand(index.shape) < KIND, 0, others)
        label = self.truth[index].gather(1, attribute[:, None])[:, 0] + self.starts[attribute]
        return Batch(self.examples[index].x, label)


def shares(found: Tensor, asked: Tensor) -> Tensor:
    """The share of what each caption asks for that was found, (N, attributes) of values each -> (N,).

    Arguments:
        found: the value of each attribute.
        asked: the same, -1 where a caption leaves it open.

    Example:
        >>> shares(torch.tensor([[3, 1], [3, 1]]), torch.tensor([[3, 0], [3, -1]]))
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return ((found == asked) & (asked >= 0)).sum(1).double() / (asked >= 0).sum(1)


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Mapping[str, Result]:
    """The share of attributes found in samples for held-out captions; of captions with pairs never seen, by itself."""
    known, named = composed(source.raw), Named(source.raw)
    by = classifier(named, device=model.device)
    n = min(evaluation.samples, evaluation.max_examples or evaluation.samples)
    batch = evenly_spaced(source.raw, evaluation.split, n)
    x, y = batch.x, batch.labels
    asked = known.asked(y)
    drawn = draw_samples(model, len(x), evaluation.seed, evaluation.batch_size, y)
    made, real = (named.found(some, by) for some in (source.natural(drawn), x))
    unseen = known.unseen(asked)
    protocol = f"{by.protocol}; captions of {describe(source.raw, evaluation.split, len(x))}"
    rows = {"attributes-seen": ~unseen, "attributes-unseen": unseen}
    return {
        name: _result(made[some], real[some], asked[some], [*named.attributes], protocol, evaluation.seed)
        for name, some in rows.items() if bool(some.any())
    }  # fmt: skip


def _result(
    made: Tensor, real: Tensor, asked: Tensor, names: list[str], protocol: str, seed: int
) -> Result:  # fmt: skip
    """The share found in samples; beside it that of each attribute, and those found in the captions' own pictures."""
    whole = shares(made, asked)
    details = {"seed": seed, "captions wholly right": float((whole == 1).double().mean())}
    references = {"real images": share(shares(real, asked))}
    for column, name in enumerate(names):
        said = asked[:, column] >= 0
        for who, some in (("samples", made), ("real images", real)):
            right = some[said, column] == asked[said, column]
            references |= {f"{name}, {who}": share(right)} if len(right) else {}
    return Result.of(share(whole), protocol, details, references=references)


ATTRIBUTES = Metric(
    "attributes", "share of what captions ask for that samples show: pairs seen in training, never seen", "", "higher",
    Depicts, compute, applies=lambda source: isinstance(source.raw, Composed),
    rows={"attributes-seen": "higher", "attributes-unseen": "higher"},
)  # fmt: skip
