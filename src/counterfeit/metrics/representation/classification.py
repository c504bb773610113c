"""How often a classifier is right."""

from __future__ import annotations

from counterfeit.config.settings import Evaluation
from counterfeit.core import Classifies, Generator, require
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.classifier import right
from counterfeit.metrics.stats.proportions import share

__all__ = ["ACCURACY"]


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Fraction of the split that the likeliest class is right for."""
    x, y = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device)
    with evaluating(model, evaluation.seed):
        correct = right(require(model, Classifies), x, y, evaluation.batch_size)
    protocol = f"likeliest class; {describe(source, evaluation.split, len(x), evaluation.max_examples)}"
    return Result.of(share(correct), protocol)


ACCURACY = Metric(
    "accuracy", "fraction of images whose class is recognized", "", "higher", Classifies, compute, labels=True,
    kind="exact",
)  # fmt: skip
