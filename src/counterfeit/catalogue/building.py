"""Builds a run's data and model from settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from counterfeit.catalogue.classes import model_class
from counterfeit.catalogue.data_sources import source as find
from counterfeit.catalogue.data_sources import sources
from counterfeit.catalogue.recipe_files import Recipe, configure
from counterfeit.common.seeding import mix, seeded
from counterfeit.config.settings import AUTO, Config
from counterfeit.core import Bounds, Density, Model
from counterfeit.data.source import Source, transformed
from counterfeit.transforms import build as chain

__all__ = ["build", "prepare", "same_data", "training_data", "usual"]


def training_data(config: Config, adopted: Source | None = None) -> tuple[Config, Source]:
    """The settings, with the transforms named that the model expects where they say `auto`, and their source.

    Arguments:
        config: the settings.
        adopted: as of `source`.
    """
    found = find(config.data, adopted=adopted)
    if AUTO not in config.data.transforms:
        return config, found
    expected = model_class(config.model).transforms.get(found.spec.kind, found.expected_transforms)
    names = [each for name in config.data.transforms for each in (expected if name == AUTO else (name,))]
    data = replace(config.data, transforms=tuple(names))
    return replace(config, data=data), transformed(found.raw, chain(names)) if names else found


def usual(chosen: Recipe, config: Config, *layers: Mapping[str, Any]) -> Config:
    """The recipe's own settings, with `layers` over them, for comparison with those of a run of it.

    Transforms that the recipe leaves to the model are the run's, if the model expects them of data of some kind.
    """
    own = configure(chosen, *layers)
    expected = {(), *model_class(config.model).transforms.values()}
    expected |= {tuple(one.expected_transforms) for one in sources().values()}
    if own.data.transforms != (AUTO,) or config.data.transforms not in expected:
        return own
    return replace(own, data=replace(own.data, transforms=config.data.transforms))


def prepare(
    chosen: Recipe, config: Config, device: torch.device, adopted: Source | None = None
) -> tuple[Config, Source, Model]:
    """What a recipe's training by `config` needs: the settings with all transforms named, the data, a model.

    Raises:
        ValueError: where the recipe is a run's, which was trained on other data of the same name.
    """
    same = chosen.fingerprint and config.data == configure(chosen).data
    config, found = training_data(config, adopted)
    if same:
        same_data(chosen.fingerprint, found)
    model = build(config, found, device)
    if found.raw.constant and isinstance(model, (Density, Bounds)):
        names = ", ".join(map(repr, found.raw.constant))
        raise ValueError(
            f"{config.data.name}: {names} never changes in training; values that change are expected, since a density "
            "is as high as it likes there. Take the others: data.options.columns."
        )
    return config, found, model


def same_data(trained_on: str | None, found: Source) -> None:
    """Refuse other data than those that a run was trained on, whose fingerprint that is."""
    if trained_on and trained_on != found.fingerprint:
        raise ValueError(
            f"{found.name} has fingerprint {found.fingerprint}; the run was trained on {trained_on}. "
            "Restore the data, or train anew."
        )


def build(config: Config, source: Source, device: torch.device) -> Model:
    """The model of the settings for that source, with initial weights by the seed."""
    cls = model_class(config.model)
    if source.spec.kind not in cls.kinds:
        raise ValueError(
            f"data of kind {source.spec.kind!r} came; {config.model} expects {' or '.join(cls.kinds)}. Take "
            "other data, or a model of `counterfeit list models` that learns them."
        )
    with seeded(mix(config.train.seed, 0x5EED)), _small_enough():
        model = cls(source.spec, **config.arguments)
    # of convolutions' weights: up to twice as fast
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


@contextmanager
def _small_enough() -> Iterator[None]:
    """A line where a model's settings ask for more than can be held, or counted."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        if not isinstance(error, (MemoryError, OverflowError)) and not re.search(r"(?i)overflow|allocate", reason):
            raise
        raise ValueError(f"the model's settings ask for more than memory holds ({reason[:120]}). Lower them.") from None
