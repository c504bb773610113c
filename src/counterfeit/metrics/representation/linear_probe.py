"""What codes know of labels: a linear classifier, and nearest neighbours, on `encode` and on raw pixels.

References:
    Understanding Intermediate Layers Using Linear Classifier Probes, Alain & Bengio, 2016 (arXiv 1610.01644).
    Adversarial Feature Learning, Donahue et al., 2016 (arXiv 1605.09782), table 1: nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Encodes, Generator, HasFeatures
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import InMemory, Source
from counterfeit.inference.draws import evaluating
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.coverage.nearest_neighbours import CHUNK, nearest_examples
from counterfeit.metrics.stats.proportions import share

__all__ = ["CHOSEN", "PENALTIES", "PROBE", "Linear", "Probe", "logistic", "probe", "views"]

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
FITTED, CHOSEN = 5_000, 2_000  # training and validation examples at most
ITERATIONS = 100

Seen = Callable[[Tensor], Tensor]


class Linear(NamedTuple):
    """Weights, (D, C), and biases, (C,), of a linear classifier."""

    weight: Tensor
    bias: Tensor

    def classify(self, x: Tensor) -> Tensor:
        """The likeliest class of each row of `x`, (N, D): int64 (N,)."""
        return (x @ self.weight + self.bias).argmax(1)


class Probe(NamedTuple):
    """Whether each test example was classified rightly, bool (N,), and the penalty that validation chose."""

    correct: Tensor
    penalty: float


def logistic(x: Tensor, y: Tensor, classes: int, penalty: float, start: Linear | None = None) -> Linear:
    """Multinomial logistic regression: the minimum of mean cross-entropy + penalty/2 ‖weight‖², by L-BFGS.

    Arguments:
        x: features, (N, D), in whose precision it is computed.
        y: labels, int64 (N,).
        classes: how many there are.
        penalty: at least 0.
        start: where to start; at 0 where None.
    """
    from scipy.optimize import minimize

    n, d = x.shape
    target = torch.nn.functional.one_hot(y, classes).to(x)
    begin = start or Linear(x.new_zeros(d, classes), x.new_zeros(classes))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = torch.from_numpy(flat).to(x).view(d + 1, classes).split([d, 1])
        log_p = (x @ weight + bias).log_softmax(1)
        error = (log_p.exp() - target) / n  # gradient in the logits
        gradient = torch.cat([x.mT @ error + penalty * weight, error.sum(0, keepdim=True)])
        value = penalty / 2 * weight.square().sum() - (log_p * target).sum() / n
        return float(value), gradient.double().flatten().numpy()

    first = torch.cat([begin.weight, begin.bias[None]]).double().flatten().numpy()
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    weight, bias = torch.from_numpy(found.x).to(x).view(d + 1, classes).split([d, 1])
    return Linear(weight, bias[0])


def probe(train: Batch, valid: Batch, test: Batch, classes: int, penalties: Sequence[float] = PENALTIES) -> Probe:
    """Fit to `train`, choose the penalty that `valid` prefers, classify `test`.

    Features, (N, D), are standardized by the training features. Penalties fall, each fit from where the last one ended,
    until validation says that it was enough.
    """
    parts = train, valid, test
    labels = [part.labels for part in parts]
    loc, scale = train.x.mean(0), train.x.std(0)
    scale = torch.where(scale > 1e-6 * loc.abs(), scale, torch.ones_like(scale))  # constant ones stay
    xs = [(part.x - loc) / scale for part in parts]
    fits: list[tuple[float, float, Linear]] = []
    for penalty in sorted(penalties, reverse=True):
        start = fits[-1][2] if fits else None
        linear = logistic(xs[0], labels[0], classes, penalty, start)
        fits.append((float((linear.classify(xs[1]) == labels[1]).double().mean()), penalty, linear))
        if len(fits) > 1 and fits[-1][0] < fits[-2][0]:
            break
    _, penalty, best = max(fits, key=lambda fit: fit[0])
    return Probe(best.classify(xs[2]) == labels[2], penalty)


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Mapping[str, Result]:
    """Accuracies on codes, or on features where a model has none; beside them those on pixels, and on features."""
    if evaluation.split == "valid":
        raise ValueError("split=valid came; the probe chooses its penalty there. Measure it on test, or leave it out.")
    (name, first), *rest = views(model, evaluation).items()
    others = dict(rest)
    return {
        "linear-probe": _linear(name, first, others, source, evaluation),
        "1nn-probe": _nearest(name, first, others, source, evaluation),
    }


def views(model: Generator, evaluation: Evaluation) -> dict[str, Seen]:
    """What is seen of examples: codes where the model has any, features where it shows them, and pixels."""

    def asked(answer: Seen) -> Seen:
        def batched(x: Tensor) -> Tensor:
            with evaluating(model, evaluation.seed):
                parts = x.split(evaluation.batch_size)
                return torch.cat([answer(part.to(model.device)).cpu().flatten(1) for part in parts])

        return batched

    found = {"codes": asked(model.encode)} if isinstance(model, Encodes) else {}
    found |= {"features": asked(model.features)} if isinstance(model, HasFeatures) else {}
    return found | {"pixels": lambda x: x.flatten(1)}


def _linear(name: str, codes: Seen, others: Mapping[str, Seen], source: Source, evaluation: Evaluation) -> Result:
    sizes = {"train": FITTED, "valid": CHOSEN, "test": evaluation.max_examples}
    parts = [evenly_spaced(source, split, size, evaluation.seed) for split, size in sizes.items()]

    def probed(features: Seen) -> Probe:
        train, valid, test = (Batch(features(part.x), part.y) for part in parts)
        return probe(train, valid, test, source.spec.classes)

    found, n = probed(codes), len(parts[2].x)
    what = f"accuracy of logistic regression on {name} of {len(parts[0].x)} training examples, penalty chosen on valid"
    protocol = f"{what} n={len(parts[1].x)}, all evenly spaced; {describe(source, evaluation.split, n)}"
    rest = {"penalty": found.penalty, "seed": evaluation.seed}
    return _result(found.correct, {name: probed(each).correct for name, each in others.items()}, protocol, rest)


def _nearest(name: str, codes: Seen, others: Mapping[str, Seen], source: Source, evaluation: Evaluation) -> Result:
    train, test = (
        source.split("train"),
        evenly_spaced(source, evaluation.split, evaluation.max_examples, evaluation.seed),
    )

    def found(features: Seen) -> Tensor:
        read = (train[some] for some in torch.arange(len(train)).split(CHUNK))
        x, y = zip(*((features(part.x), part.labels) for part in read), strict=True)
        near = nearest_examples(features(test.x), InMemory(torch.cat(x))).indices[:, 0]
        return torch.cat(y)[near].eq(test.labels)

    what = f"accuracy of the class of the nearest of {len(train)} training {name}"
    protocol = f"{what}, Euclidean; {describe(source, evaluation.split, len(test.x))}"
    return _result(
        found(codes), {name: found(each) for name, each in others.items()}, protocol, {"seed": evaluation.seed}
    )


def _result(correct: Tensor, others: Mapping[str, Tensor], protocol: str, rest: Mapping[str, Any]) -> Result:
    references = {name: share(each) for name, each in others.items()}
    return Result.of(share(correct), protocol, rest, references=references)


PROBE = Metric(
    "linear-probe", "accuracy of a linear classifier, and of nearest neighbours, on codes or features", "", "higher",
    Encodes | HasFeatures, compute,
    labels=True, rows={"linear-probe": "higher", "1nn-probe": "higher"},
)  # fmt: skip
