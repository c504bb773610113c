"""How right translations are: against the truth where the data know it, there and back, and by their domain.

References:
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al., 2017 (arXiv
        1703.10593).
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation, Choi et al., 2018
        (arXiv 1711.09020), section 5.4, which measures domains by a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import alike, mean
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Generator, Translates
from counterfeit.data.selection import describe, evenly_spaced
from counterfeit.data.source import Source
from counterfeit.data.sources.unpaired_digits import Paired
from counterfeit.inference.translation import elsewhere, translate
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.classifier import classifier
from counterfeit.metrics.stats.proportions import share

__all__ = ["DOMAIN_ACCURACY", "TRANSLATION", "Translated", "absolute_error", "there_and_back", "told_apart"]

MEANS = 10_000  # training examples at most whose mean stands for a domain
TOLD = 0.75  # halfway from chance to certainty: of examples that the way back must lead to rather than to others
HOLLOW = "translations tell too little of what was translated, as one picture for all does"


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of each pair of examples, (B, *shape) -> (B,)."""
    if x.shape != y.shape:
        raise ValueError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} came; equal ones are expected. Reshape one.")
    x, y = alike(x, y)
    return (x - y).abs().flatten(1).mean(1)


class Translated(NamedTuple):
    """Examples `x`, (N, *shape), of the domains `y`, (N,), in the domains `to`: as `there`, and taken `back`."""

    x: Tensor
    y: Tensor
    to: Tensor
    there: Tensor
    back: Tensor


def there_and_back(model: Generator, batch: Batch, evaluation: Evaluation) -> Translated:
    """A batch taken to another domain each, and back, on the device of the model.

    Raises:
        ValueError: where there are no labels.
    """
    x, y = batch
    if y is None:
        raise ValueError("examples without labels came; their domains are expected. Choose data with labels.")
    to = elsewhere(y, model.spec.classes)
    there = translate(model, x, to, evaluation.batch_size, evaluation.seed)
    return Translated(x, y, to, there, translate(model, there, y, evaluation.batch_size, evaluation.seed))


def told_apart(found: Translated, domains: int) -> Tensor:
    """Whether the way there and back leads to each example rather than to another of its domain, bool (M,).

    Half of them by chance, as where one picture of each domain stands for all. Examples alone in theirs are left out.
    """
    others = torch.arange(len(found.y), device=found.y.device)
    for domain in range(domains):
        own = torch.where(found.y == domain)[0]
        others[own] = own.roll(1)
    kept = torch.where(others != torch.arange(len(others), device=others.device))[0]
    back, x = found.back[kept], found.x.to(found.back)
    return absolute_error(back, x[kept]) < absolute_error(back, x[others[kept]])


def errors(found: Translated, source: Source) -> Mapping[str, tuple[Tensor, Mapping[str, Tensor]]]:
    """Absolute error of each example by row of the metric, (N,), and of what else could be given in its place."""
    x, there, back = (source.natural(t) for t in (found.x, found.there, found.back))
    rows: dict[str, tuple[Tensor, Mapping[str, Tensor]]] = {}
    if isinstance(source.raw, Paired):
        truth = source.raw.truth(x, found.y, found.to)
        means = source.natural(_means(source)).to(x.device)[found.to]
        others = {"identity": absolute_error(x, truth), "mean image": absolute_error(means, truth)}
        rows["translation-error"] = absolute_error(there, truth), others
    return rows | {"cycle-error": (absolute_error(back, x), {"one way": absolute_error(there, x)})}


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Mapping[str, Result]:
    """Distance to the hidden truth, where there is one, beside doing nothing and a domain's mean; there and back."""
    found = there_and_back(
        model, evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device), evaluation
    )
    what = {"translation-error": "examples in another domain to their hidden truth", "cycle-error": "there and back"}
    results = {}
    for name, (values, others) in errors(found, source).items():
        protocol = f"mean absolute error of {what[name]}; domains in turn; {_described(source, evaluation, found)}"
        references = {other: mean(error) for other, error in others.items()}
        results[name] = Result.of(mean(values), protocol, references=references)
    return results


def compute_accuracy(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Share of translations that a classifier, which never saw any, takes for the domain asked for.

    One picture of each domain in place of all translations has the share of a perfect model. So whether translations
    tell what they are of stands beside it, by the way back; where they do not, the share counts for nothing.
    """
    found = there_and_back(
        model, evenly_spaced(source, evaluation.split, evaluation.max_examples, device=model.device), evaluation
    )
    by = classifier(source, evaluation.weights, model.device)
    named = {name: by.log_probs(by(x)).argmax(1) for name, x in (("there", found.there), ("data", found.x))}
    right = {
        "there": named["there"] == found.to.cpu(), "real": named["data"] == found.y.cpu(),
        "identity": named["data"] == found.to.cpu(),
    }  # fmt: skip
    protocol = f"domains in turn, named by {by.protocol}; {_described(source, evaluation, found)}"
    references = {name: share(values) for name, values in right.items() if name != "there"}
    details = _told(found, model.spec.classes)
    warnings = (HOLLOW,) if "hollow" in details else ()
    return Result.of(share(right["there"]), protocol, details, references=references, warnings=warnings)


def _told(found: Translated, domains: int) -> dict[str, Any]:
    """The share of examples that translations tell apart, and what that share is worth where it is small."""
    right = told_apart(found, domains)
    if not len(right):
        return {}
    told = share(right)
    details = {"told_apart": told.value, "told_apart_low": told.low, "told_apart_high": told.high}
    return details if told.value >= TOLD else details | {"hollow": HOLLOW}


def _means(source: Source) -> Tensor:
    """The mean training example of each domain, (domains, *shape)."""
    x, y = evenly_spaced(source, "train", MEANS)
    if y is None:
        raise ValueError(f"{source.name} has no labels; domains are expected. Choose data with labels.")
    return torch.stack([x[y == domain].mean(0) for domain in range(source.spec.classes)])


def _described(source: Source, evaluation: Evaluation, found: Translated) -> str:
    return describe(source, evaluation.split, len(found.x), evaluation.max_examples)


TRANSLATION = Metric(
    "translation", "error of translated examples: to the truth where it is known, and there and back", "", None,
    Translates, compute, labels=True, rows={"translation-error": "lower", "cycle-error": "lower"},
)  # fmt: skip
DOMAIN_ACCURACY = Metric(
    "domain-accuracy", "share of translations that a classifier takes for the domain asked for", "", "higher",
    Translates, compute_accuracy, labels=True,
)  # fmt: skip
