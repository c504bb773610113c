"""How right translations are: against the truth where the data know it, there and back, and by their domain.

References:
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu et al., 2017 (arXiv
        1703.10593).
    StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation, Choi et al., 2018
        (arXiv 1711.09020), section 5.4, which measures domains by a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from counterfeit.core import Batch, Model, Translates
from counterfeit.data.hidden import Paired
from counterfeit.data.source import Source
from counterfeit.metrics.classifier import classifier
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.proportions import share
from counterfeit.metrics.sampling import describe, evaluating, spread
from counterfeit.metrics.statistics import alike, mean_and_error, row

__all__ = [
    "DOMAIN_ACCURACY", "TRANSLATION", "Translated", "absolute_error", "elsewhere", "everywhere", "few", "translate",
]  # fmt: skip

MEANS = 10_000  # training examples at most whose mean stands for a domain


class Translated(NamedTuple):
    """Examples `x`, (N, *shape), of the domains `y`, (N,), in the domains `to`: as `there`, and taken `back`."""

    x: Tensor
    y: Tensor
    to: Tensor
    there: Tensor
    back: Tensor


def absolute_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of each pair of examples, (B, *shape) -> (B,)."""
    if x.shape != y.shape:
        raise ValueError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} came; equal ones are expected. Reshape one.")
    x, y = alike(x, y)
    return (x - y).abs().flatten(1).mean(1)


def elsewhere(y: Tensor, domains: int) -> Tensor:
    """A domain to go to from each of `y`, (N,): in turn all but its own, int64 (N,).

    Example:
        >>> elsewhere(torch.tensor([0, 0, 1, 2]), 3).tolist()
        [1, 2, 2, 0]
    """
    turn = _rank(y, domains) % (domains - 1)
    return (y + 1 + turn) % domains


def few(source: Source, split: str, n: int) -> Batch:
    """About `n` examples of a split, as many of each label as there are, in the order of labels.

    Raises:
        ValueError: where the data have no labels.
    """
    x, y = spread(source, split, 16 * n)
    if y is None:
        raise ValueError(f"{source.name} has no labels; domains are expected. Choose data with labels.")
    chosen = (_rank(y, source.spec.classes) * source.spec.classes + y).argsort()[:n]
    chosen = chosen[y[chosen].argsort(stable=True)]
    return Batch(x[chosen], y[chosen])


def translate(model: Model, batch: Batch, evaluation: Evaluation) -> Translated:
    """A batch taken to another domain each, and back, on the device of the model.

    Raises:
        ValueError: where there are no labels.
    """
    x, y = batch
    if y is None:
        raise ValueError("examples without labels came; their domains are expected. Choose data with labels.")
    to, translator = elsewhere(y, model.spec.classes), cast(Translates, model)
    with evaluating(model, evaluation.seed):
        pieces = zip(*(t.split(evaluation.batch_size) for t in (x, y, to)), strict=True)
        pairs = [(there := translator.translate(x, to), translator.translate(there, y)) for x, y, to in pieces]
    there, back = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Translated(x, y, to, there, back)


def everywhere(model: Model, x: Tensor, domains: int, seed: int = 0) -> Tensor:
    """Examples `x`, (N, *shape), and below them the same in each of the first `domains`, (1 + domains, N, *shape)."""
    x, translator = x.to(model.device), cast(Translates, model)
    with evaluating(model, seed):
        rows = [translator.translate(x, torch.full((len(x),), to, device=x.device)) for to in range(domains)]
    return torch.stack([x, *rows])


def errors(found: Translated, source: Source) -> Mapping[str, tuple[Tensor, Mapping[str, Tensor]]]:
    """Absolute error of each example by row of the metric, (N,), and of what else could be given in its place."""
    x, there, back = (source.natural(t) for t in (found.x, found.there, found.back))
    rows: dict[str, tuple[Tensor, Mapping[str, Tensor]]] = {}
    if isinstance(source.raw, Paired):
        truth = source.raw.truth(x, found.y, found.to)
        mean = source.natural(_means(source)).to(x.device)[found.to]
        others = {"identity": absolute_error(x, truth), "mean image": absolute_error(mean, truth)}
        rows["translation-error"] = absolute_error(there, truth), others
    return rows | {"cycle-error": (absolute_error(back, x), {"one way": absolute_error(there, x)})}


def compute(model: Model, source: Source, evaluation: Evaluation) -> Mapping[str, Result]:
    """Distance to the hidden truth, where there is one, beside doing nothing and a domain's mean; there and back."""
    found = translate(model, spread(source, evaluation.split, evaluation.limit, device=model.device), evaluation)
    what = {"translation-error": "examples in another domain to their hidden truth", "cycle-error": "there and back"}
    results = {}
    for name, (values, others) in errors(found, source).items():
        protocol = f"mean absolute error of {what[name]}; domains in turn; {_described(source, evaluation, found)}"
        details: dict[str, Any] = {"references": {other: row(error) for other, error in others.items()}}
        results[name] = Result(*mean_and_error(values), len(values), protocol, details)
    return results


def compute_accuracy(model: Model, source: Source, evaluation: Evaluation) -> Result:
    """Share of translations that a classifier, which never saw any, takes for the domain asked for."""
    found = translate(model, spread(source, evaluation.split, evaluation.limit, device=model.device), evaluation)
    judge = classifier(source, evaluation.weights, model.device)
    named = {name: judge.log_probs(judge(x)).argmax(1) for name, x in (("there", found.there), ("data", found.x))}
    right = {
        "there": named["there"] == found.to.cpu(), "real": named["data"] == found.y.cpu(),
        "identity": named["data"] == found.to.cpu(),
    }  # fmt: skip
    protocol = f"domains in turn, named by {judge.protocol}; {_described(source, evaluation, found)}"
    references = {name: share(values).row for name, values in right.items() if name != "there"}
    asked = share(right["there"])
    return Result(asked.value, asked.error, asked.n, protocol, {**asked.bounds, "references": references})


def _rank(y: Tensor, domains: int) -> Tensor:
    """How many of the same label come before each, (N,)."""
    return one_hot(y, domains).cumsum(0).gather(1, y[:, None]).squeeze(1) - 1


def _means(source: Source) -> Tensor:
    """The mean training example of each domain, (domains, *shape)."""
    x, y = spread(source, "train", MEANS)
    if y is None:
        raise ValueError(f"{source.name} has no labels; domains are expected. Choose data with labels.")
    return torch.stack([x[y == domain].mean(0) for domain in range(source.spec.classes)])


def _described(source: Source, evaluation: Evaluation, found: Translated) -> str:
    return describe(source, evaluation.split, len(found.x), evaluation.limit)


TRANSLATION = Metric(
    "translation", "error of translated examples: to the truth where it is known, and there and back", "", None,
    Translates, compute, labels=True, rows={"translation-error": "lower", "cycle-error": "lower"},
)  # fmt: skip
DOMAIN_ACCURACY = Metric(
    "domain-accuracy", "share of translations that a classifier takes for the domain asked for", "", "higher",
    Translates, compute_accuracy, labels=True,
)  # fmt: skip
