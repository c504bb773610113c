"""Which recipes suit data: of each model that learns such data, those that were made for the nearest shape."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure
from counterfeit.common.spelling import nearest
from counterfeit.config.settings import Config, Data, Evaluation
from counterfeit.core import Samples, Spec
from counterfeit.data.source import Source
from counterfeit.engine.device import pick_device
from counterfeit.evaluation.measure import metric_of, refusal

__all__ = ["Candidate", "candidates", "configured", "data_of", "families"]

FAR = 1e3  # of shapes that differ in their number of axes; a recipe of data without a shape of their own is farther


class Candidate(NamedTuple):
    """A recipe that learns the data, and the family of its model."""

    recipe: Recipe
    family: str


def families() -> dict[str, list[str]]:
    """Family -> names of its models that draw samples."""
    found: dict[str, list[str]] = {}
    for name, cls in catalogue.models().items():
        if catalogue.able(cls, Samples):
            found.setdefault(catalogue.family(cls), []).append(name)
    return found


def data_of(settings: Mapping[str, Any]) -> Source:
    """The data of nested settings, before transforms."""
    return catalogue.source(configure(catalogue.recipe("gan"), {"data": settings.get("data", {})}).data).raw


def candidates(
    settings: Mapping[str, Any], source: Source, names: Sequence[str] = (), only: Collection[str] = ()
) -> tuple[list[Candidate], dict[str, str]]:
    """Recipes that suit the data, and why each of the others that was looked at does not.

    Arguments:
        settings: nested settings over those of every recipe, among them the data.
        source: the data.
        names: recipes, by name or path of a file; where none are named, of each model that draws samples those that
            were made for data of the shape that is nearest to this one.
        only: families; all where none are named.

    Raises:
        ValueError: a recipe or family is unknown, or nothing suits.
    """
    for family in only:
        if family not in families():
            raise ValueError(f"family {family!r} is unknown; {nearest(family, [*families()])}")
    recipes = [catalogue.recipe(name) for name in names] or _nearest(source.raw.spec.shape)
    every = [Candidate(one, catalogue.family(catalogue.model_class(one.model))) for one in recipes]
    wanted = [one for one in every if not only or one.family in only]
    refused = {one.recipe.name: why for one in wanted if (why := _refusal(one.recipe, settings, source))}
    suited = [one for one in wanted if one.recipe.name not in refused]
    if not suited:
        reasons = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ValueError(f"no recipe suits {source.raw.name}: {reasons or 'none was left'}. Name others.")
    return suited, refused


def configured(chosen: Recipe, settings: Mapping[str, Any], source: Source) -> Config:
    """The settings of a recipe for the data: with one thread, and binary pixels for a recipe of binary data.

    Nothing that the recipe says of its own data or of evaluating it counts, lest results differ in how they were
    measured. A metric that cannot choose among checkpoints of these data chooses none.
    """
    bits = source.raw.spec.kind == "image" and _of_bits(chosen)
    usual: dict[str, Any] = {"data": {"transforms": ["binarize"]}} if bits else {}
    data = {name: value for name, value in asdict(Data()).items() if name not in ("name", "transforms")}
    common = {"train": {"threads": 1, "tensorboard": False}, "data": data, "evaluate": asdict(Evaluation())}
    config = configure(chosen, common, usual, settings)
    metric = config.train.monitor and metric_of(config.train.monitor)
    if metric:
        config, own, model = catalogue.prepare(chosen, config, pick_device("cpu"), source.raw)
        if refusal(metric, model, own, config.model):
            config = replace(config, train=replace(config.train, monitor=None))
    return config


def _refusal(chosen: Recipe, settings: Mapping[str, Any], source: Source) -> str:
    """Why a recipe cannot learn the data; "" where it can."""
    if not catalogue.able(catalogue.model_class(chosen.model), Samples):
        return f"{chosen.model} draws no samples"
    try:
        catalogue.prepare(chosen, configured(chosen, settings, source), pick_device("cpu"), source.raw)
    except ValueError as error:
        return " ".join(str(error).split())
    return ""


def _nearest(shape: Sequence[int]) -> list[Recipe]:
    """Of each model that draws samples, the recipes whose data are nearest to a shape."""
    found: dict[str, list[tuple[float, Recipe]]] = {}
    for one in catalogue.recipes().values():
        if catalogue.able(catalogue.model_class(one.model), Samples):
            found.setdefault(one.model, []).append((_distance(_shape(one), shape), one))
    least = {model: min(distance for distance, _ in of_model) for model, of_model in found.items()}
    return [one for model, of_model in found.items() for distance, one in of_model if distance == least[model]]


def _shape(chosen: Recipe) -> Sequence[int]:
    """The shape of the data of a recipe, as far as it is known before they are read."""
    data, native = chosen.settings.get("data", {}), _native(chosen)
    shape: Sequence[int] = native.shape if native else ()
    return (shape[0], data["size"], data["size"]) if data.get("size") and len(shape) == 3 else shape


def _native(chosen: Recipe) -> Spec | None:
    """What the data of a recipe are, where their source says so before they are read."""
    name = chosen.settings.get("data", {}).get("name", Data.name)
    return getattr(catalogue.sources().get(name), "native", None)


def _distance(a: Sequence[int], b: Sequence[int]) -> float:
    """How far two shapes are apart: by the logarithm of their sizes and of their channels."""
    if not a:
        return 2 * FAR
    apart = abs(math.log(math.prod(a) / math.prod(b)))
    return apart + (abs(math.log(a[0] / b[0])) if len(a) == len(b) else FAR)


def _of_bits(chosen: Recipe) -> bool:
    """Whether the data of a recipe are binary."""
    data, native = chosen.settings.get("data", {}), _native(chosen)
    return "binarize" in data.get("transforms", ()) or (native is not None and native.kind == "binary")
