"""The classifier of a data set: trained once on its training split, kept in the cache with hash and accuracy.

What is kept is one safetensors file, whose header holds the facts below.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from counterfeit.core import Classifies, Kind, Spec
from counterfeit.data import downloads
from counterfeit.data.downloads import cache_dir
from counterfeit.data.selection import load
from counterfeit.data.source import Source
from counterfeit.metrics.features.extractors import FeatureExtractor, weights_hash
from counterfeit.metrics.features.train_classifier import train_classifier
from counterfeit.models.classifying.lenet import LeNet

__all__ = ["classifier", "keep", "read_classifier", "right"]

VERSION = "2"  # of the recipe, to raise when it changes: classifiers are kept in the cache
SCALED = 10_000  # training examples at most, whose features have mean square 1
FACTS = frozenset({"version", "source", "data", "shape", "kind", "classes", "channels", "features", "accuracy", "n",
                   "weights"})  # fmt: skip


def right(model: Classifies, x: Tensor, y: Tensor | None, batch_size: int = 500) -> Tensor:
    """Whether `model` takes each example of `x`, (N, *shape), for what its label in `y`, (N,), says: bool (N,).

    Raises:
        ValueError: where there are no labels.
    """
    if y is None:
        raise ValueError("examples without labels came; some with labels are expected. Choose data with labels.")
    with torch.no_grad():
        return torch.cat([model.classify(some).argmax(1) for some in x.split(batch_size)]) == y


def classifier(source: Source, weights: str | None = None, device: torch.device | str = "cpu") -> FeatureExtractor:
    """Features of the LeNet of `source`, and its classes: from the cache, or trained now, once, or where it is damaged.

    Arguments:
        source: pictures with labels.
        weights: path of a classifier's file, in place of the one of `source`.
        device: where it computes.

    Raises:
        ValueError: the data have no labels, or the file is damaged or of another shape of data.
    """
    path = Path(weights).expanduser() if weights else _path(source)
    model, facts = read_classifier(path) if weights else _kept(source, path)
    if model.spec.shape != source.spec.shape:
        raise ValueError(
            f"{path} classifies images of shape {model.spec.shape}; {source.name} has {source.spec.shape}. "
            "Choose another file."
        )
    if not weights and facts["data"] != source.fingerprint:
        raise ValueError(
            f"{path} was trained on {facts['source']} {facts['data']}; {source.name} {source.fingerprint} is expected. "
            "Remove it."
        )
    return _extractor(model.to(device), facts)


def keep(model: LeNet, source: Source, path: Path) -> Mapping[str, str]:
    """Write a trained classifier with its facts, which are returned, whole or not at all."""
    test = load(source, "test", device=model.device)
    correct = right(model.eval(), *test)
    model.normalize(load(source, "train", SCALED, device=model.device).x)
    facts = {
        "version": VERSION, "source": source.name, "data": source.fingerprint,
        "shape": " ".join(map(str, source.spec.shape)), "kind": source.spec.kind, "classes": str(source.spec.classes),
        "channels": str(model.channels), "features": str(model.code_size),
        "accuracy": repr(float(correct.double().mean())), "n": str(len(correct)), "weights": weights_hash(model),
    }  # fmt: skip
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    downloads.store(path, lambda part: part.write_bytes(save(weights, facts)))
    return facts


def read_classifier(path: Path) -> tuple[LeNet, Mapping[str, str]]:
    """A classifier and the facts in its file's header.

    Raises:
        ValueError: there is no such file, it is none of a classifier, or it was changed since it was written.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} is no classifier ({error}). Remove it, or give another file.") from None
    if not facts.keys() >= FACTS:
        raise ValueError(f"{path} is no classifier: its header lacks some of {', '.join(sorted(FACTS))}. Give another.")
    try:
        model = _described(facts)
        model.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    except (ArithmeticError, RuntimeError, TypeError, ValueError):  # whatever a header says, nothing was allocated
        raise ValueError(f"{path} holds weights of another net than its header says. Remove it.") from None
    if weights_hash(model) != facts["weights"]:
        raise ValueError(f"{path} holds weights {weights_hash(model)}; its header says {facts['weights']}. Remove it.")
    return model.requires_grad_(False).eval(), facts


def _described(facts: Mapping[str, str]) -> LeNet:
    """The net of a header, which may say anything: without memory for weights until they are found to fit."""
    sizes = {name: int(facts[name]) for name in ("classes", "channels", "features")}
    spec = Spec(tuple(int(side) for side in facts["shape"].split()), cast(Kind, facts["kind"]), sizes.pop("classes"))
    with torch.device("meta"):
        return LeNet(spec, **sizes)


def _path(source: Source) -> Path:
    return cache_dir() / "classifiers" / f"{source.name}-{source.fingerprint}-{VERSION}.safetensors"


def _kept(source: Source, path: Path) -> tuple[LeNet, Mapping[str, str]]:
    """The classifier of `source`, trained where the cache holds none that can be read."""
    if path.is_file():
        try:
            return read_classifier(path)
        except ValueError:
            warnings.warn(f"{path} is damaged; the classifier is trained again", stacklevel=2)
    if source.spec.classes < 2:
        raise ValueError(
            f"{source.name} has no labels; features `classifier` expects them. Take convolutions, or the weights of "
            "a classifier of other data."
        )
    model = train_classifier(source)
    facts = keep(model, source, path)
    return model.requires_grad_(False).eval(), facts


def _extractor(model: LeNet, facts: Mapping[str, str]) -> FeatureExtractor:
    summary = (
        f"LeNet, {facts['features']} features of mean square 1, trained on {facts['source']} {facts['data']}, "
        f"{100 * float(facts['accuracy']):.2f} % of {facts['n']} test images right"
    )
    return FeatureExtractor(
        "classifier", summary, lambda x: model.body(x.to(model.device)) / model.scale, facts["weights"],
        head=lambda features: model.logits(features.to(model.device)).log_softmax(1).cpu(),
    )  # fmt: skip
