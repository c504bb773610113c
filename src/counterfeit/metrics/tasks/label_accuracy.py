"""How often a conditional model draws what it is asked for."""

from __future__ import annotations

import torch

from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.classifier import classifier
from counterfeit.metrics.stats.proportions import share

__all__ = ["LABEL_ACCURACY"]


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Share of samples, of all labels in turn, that a classifier of the data takes for the label asked for."""
    y = torch.arange(evaluation.samples, device=model.device) % source.spec.classes
    samples = draw_samples(model, len(y), evaluation.seed, evaluation.batch_size, y)
    by = classifier(source.raw, evaluation.weights, model.device)
    real = evenly_spaced(source, evaluation.split, evaluation.max_examples)
    if real.y is None:
        raise ValueError(f"{source.name} has no labels; label-accuracy expects them. Choose data with labels.")
    named, known = (by.log_probs(by(source.natural(x))).argmax(1) for x in (samples, real.x.to(model.device)))
    right = named == y.cpu()
    by_label = [round(float(right[y.cpu() == label].float().mean()), 4) for label in y.unique().tolist()]
    protocol = f"{len(y)} samples of labels in turn, named by {by.protocol}"
    data = describe(source, evaluation.split, len(known), evaluation.max_examples)
    return Result.of(
        share(right), f"{protocol}; {data}", {"by label": by_label}, references={"real": share(known == real.y)}
    )  # fmt: skip


LABEL_ACCURACY = Metric(
    "label-accuracy", "share of samples that a classifier takes for the label asked for", "", "higher", Samples,
    compute, labels=True, suits=lambda model: model.conditional,
)  # fmt: skip
