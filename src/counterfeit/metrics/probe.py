"""What codes know of labels: a linear classifier on `encode`, beside the same on raw pixels.

References:
    Understanding Intermediate Layers Using Linear Classifier Probes, Alain & Bengio, 2016 (arXiv 1610.01644).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Batch, Encodes, Model
from counterfeit.data.source import Source
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.proportions import wilson
from counterfeit.metrics.sampling import describe, evaluating, spread
from counterfeit.metrics.statistics import mean_and_error

__all__ = ["PENALTIES", "PROBE", "Features", "Linear", "Probe", "logistic", "probe"]

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
FITTED, CHOSEN = 5_000, 2_000  # training and validation examples at most
ITERATIONS = 100


@runtime_checkable
class Features(Protocol):
    """Shows what it knows of an example before that is squeezed into a code."""

    def features(self, x: Tensor) -> Tensor:
        """What codes are made from, (B, features)."""


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
    if any(part.y is None for part in parts):
        raise ValueError("examples without labels came; `probe` expects them. Take data with labels.")
    labels = [cast(Tensor, part.y) for part in parts]
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


def compute(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Accuracy of the probe on codes; beside it those on pixels, and on features where the model shows them."""
    if evaluation.split == "valid":
        raise ValueError("split=valid came; the probe chooses its penalty there. Measure it on test, or leave it out.")
    sizes = {"train": FITTED, "valid": CHOSEN, "test": evaluation.limit}
    parts = [spread(source, split, size, evaluation.seed) for split, size in sizes.items()]

    def asked(answer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def batched(x: Tensor) -> Tensor:
            with evaluating(model, evaluation.seed):
                return torch.cat([answer(part.to(model.device)).cpu() for part in x.split(evaluation.batch_size)])

        return batched

    on_codes = _probed(parts, asked(cast(Encodes, model).encode), source)
    beside = {"pixels": lambda x: x} | ({"features": asked(model.features)} if isinstance(model, Features) else {})
    value, error = mean_and_error(on_codes.correct.double())
    n = len(on_codes.correct)
    details: dict[str, Any] = {
        "interval": list(wilson(int(on_codes.correct.sum()), n)),
        "penalty": on_codes.penalty,
        "references": {name: _reference(_probed(parts, features, source)) for name, features in beside.items()},
        "seed": evaluation.seed,
    }
    what = f"accuracy of logistic regression on codes of {len(parts[0].x)} training examples, penalty chosen on valid"
    data = f"all evenly spaced; {describe(source, evaluation.split, n)}"
    return Result(value, error, n, f"{what} n={len(parts[1].x)}, {data}", details)


def _reference(found: Probe) -> dict[str, float]:
    value, error = mean_and_error(found.correct.double())
    return {"value": value, "error": error, "n": len(found.correct)}


def _probed(parts: Sequence[Batch], features: Callable[[Tensor], Tensor], source: Source) -> Probe:
    train, valid, test = (Batch(features(part.x).flatten(1), part.y) for part in parts)
    return probe(train, valid, test, source.spec.classes)


PROBE = Metric(
    "probe", "accuracy of a linear classifier on codes", "", "higher", Encodes, compute, labels=True
)
