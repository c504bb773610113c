"""How far few labels go: a linear classifier on what a model has learnt without any, by the number of labels.

References:
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, Radford, Metz &
        Chintala, 2016 (arXiv 1511.06434), section 5: the discriminator's features, and few labels.
    Improved Techniques for Training GANs, Salimans et al., 2016 (arXiv 1606.03498): 100 labels of MNIST.
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterfeit.common.progress import Bar
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Encodes, Generator, HasFeatures
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Examples, InMemory, Source
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.classifier import right
from counterfeit.metrics.features.train_classifier import train_classifier
from counterfeit.metrics.representation.linear_probe import CHOSEN, probe, views
from counterfeit.metrics.stats.proportions import share

__all__ = ["LABEL_CURVE", "counts", "few"]

MOST = 1 << 29  # values of features at most that a classifier is fitted to
STEPS = {1_000: 500}  # of training the supervised net, up to so many labels; beyond that, those of its recipe


def counts(total: int, classes: int) -> list[int]:
    """Numbers of labels: one of each class, powers of ten, one in a hundred, all; but for the last, full classes.

    Example:
        >>> counts(50_000, 10), counts(1_437, 10)
        ([10, 100, 500, 1000, 10000, 50000], [10, 100, 1000, 1437])
    """
    powers = [10**power for power in range(1, 9) if 10**power < total]
    return sorted({max(1, n // classes) * classes for n in powers} | {_hundredth(total, classes), total})


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Accuracy with one label in a hundred; in the details, of other numbers, on pixels, and of a net that saw them."""
    if evaluation.split == "valid":
        raise ValueError("split=valid came; the probe chooses its penalty there. Measure it on test, or leave it out.")
    train, classes = source.split("train"), source.spec.classes
    valid = evenly_spaced(source, "valid", CHOSEN, evaluation.seed)
    test = evenly_spaced(source, evaluation.split, evaluation.max_examples, evaluation.seed)
    seen, sizes = views(model, evaluation), counts(len(train), classes)
    labels, held = train.first().labels, {name: [view(part.x) for part in (valid, test)] for name, view in seen.items()}
    curves: dict[str, dict[int, Tensor]] = {name: {} for name in (*seen, "supervised net")}
    with Bar("label curve", len(sizes) * len(curves)) as bar:
        for n in sizes:
            some = train[few(labels, n, classes)]
            for name, view in seen.items():
                fitted, (chosen, asked) = Batch(view(some.x), some.y), held[name]
                if fitted.x.numel() <= MOST:
                    found = probe(fitted, Batch(chosen, valid.y), Batch(asked, test.y), classes)
                    curves[name][n] = found.correct
                bar.update(1)
            curves["supervised net"][n] = _supervised(source, some, n, test)
            bar.update(1)
    one, (first, *others) = _hundredth(len(train), classes), [*curves]
    what = f"accuracy of logistic regression on {first} with {one} labels of {len(train)}, as many of each class"
    protocol = f"{what}, penalty chosen on valid n={len(valid.x)}; {describe(source, evaluation.split, len(test.x))}"
    told = {name: {str(n): _rounded(correct) for n, correct in found.items()} for name, found in curves.items()}
    return Result.of(
        share(curves[first][one]), protocol, {"by labels": told, "labels": one, "seed": evaluation.seed},
        references={name: share(curves[name][one]) for name in others if one in curves[name]},
    )  # fmt: skip


def few(y: Tensor, n: int, classes: int) -> Tensor:
    """Positions of `n` labels of `y`, (N,), as many of each class where not all are taken, drawn at random."""
    if n >= len(y):
        return torch.arange(len(y))
    shuffled = torch.randperm(len(y))
    return torch.cat([shuffled[y[shuffled] == label][: n // classes] for label in range(classes)])


def _hundredth(total: int, classes: int) -> int:
    return max(1, total // 100 // classes) * classes


def _rounded(correct: Tensor) -> float:
    return round(float(correct.double().mean()), 4)


class _Few(Source):
    """A source of whose training examples some are left."""

    def __init__(self, whole: Source, some: Batch) -> None:
        self.whole, self.some, self.spec = whole, some, whole.spec
        self.name, self.summary = f"{len(some.x)} of {whole.name}", whole.summary  # type: ignore[misc]

    def split(self, name: str) -> Examples:
        """The examples that are left, or those of the whole."""
        return InMemory(*self.some) if name == "train" else self.whole.split(name)


def _supervised(source: Source, some: Batch, n: int, test: Batch) -> Tensor:
    """Whether a net that is trained on the labels alone is right of each test example."""
    steps = next((steps for most, steps in STEPS.items() if n <= most), None)
    return right(train_classifier(_Few(source, some), show=False, steps=steps), *test)


LABEL_CURVE = Metric(
    "label-curve", "accuracy of a linear classifier on features or codes with one training label in a hundred", "",
    "higher", Encodes | HasFeatures, compute, labels=True,
    applies=lambda source: len(source.spec.shape) == 3 and source.spec.bounded,
)  # fmt: skip
