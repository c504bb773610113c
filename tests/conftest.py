"""What tests share: one thread, a cache of their own, smoke runs that are trained once, two processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest
import torch

from checks import Check, Trained
from counterfeit import catalogue
from counterfeit.catalogue import Recipe, build, configure
from counterfeit.common.seeding import seeded
from counterfeit.config.nested import write_yaml
from counterfeit.config.settings import Config
from counterfeit.core import Model, Spec
from counterfeit.data.source import Source
from counterfeit.engine.distributed import Processes
from counterfeit.engine.fit import Display, Trainer
from counterfeit.run.folder import describe
from counterfeit.run.run import Run
from counterfeit.run.training import validator
from pair import Pair
from probes import SMALL

CPU = torch.device("cpu")
QUICK = {"train": {"device": "cpu", "threads": 1, "tensorboard": False, "keep_checkpoints": 10}}


@dataclass(frozen=True)
class Bench:
    """What checks take, made from the smoke settings of a recipe; untrained models are new at every look."""

    recipe: Recipe
    folders: Callable[[], Path]
    pair: Pair

    def check(self, check: Check) -> None:
        """Hand the check what its parameters name."""
        needed = [p.name for p in inspect.signature(check).parameters.values() if p.default is p.empty]
        check(**{name: getattr(self, name) for name in needed})

    @property
    def config(self) -> Config:
        """The smoke settings, with the transforms named that the model expects."""
        return self._prepared[0]

    @property
    def source(self) -> Source:
        """What they train on."""
        return self._prepared[1]

    @cached_property
    def _prepared(self) -> tuple[Config, Source]:
        return catalogue.training_data(configure(self.recipe, self.recipe.smoke, QUICK))

    @property
    def model(self) -> Model:
        """Untrained, of smoke size."""
        return build(self.config, self.source, CPU)

    @property
    def small(self) -> Model:
        """Untrained, on data small enough to enumerate or to integrate over."""
        try:
            with seeded(0):
                return catalogue.model_class(self.config.model)(small_spec(self.source.spec), **self.config.arguments)
        except ValueError as error:
            raise AssertionError(f"it takes no data so small: {error}") from None

    @property
    def folder(self) -> Path:
        """Empty."""
        return self.folders()

    @cached_property
    def trained(self) -> Trained:
        """The smoke run, finished."""
        folder, model = self.folder, self.model
        write_yaml(folder / "run.yaml", self.config.to_dict() | describe(self.recipe, self.source, model))
        validate = validator(self.config, self.source)
        trainer = Trainer(
            folder,
            model,
            self.source,
            self.config.train,
            validate,
            Processes(),
            resume=False,
            display=Display(progress=False),
        )
        trainer.loop()
        trainer.close()
        return Trained(Run(folder, device="cpu"), trainer)


def small_spec(spec: Spec) -> Spec:
    """Data of the same kind in at most six binary or two other dimensions."""
    return spec if spec.kind == "real" and spec.dims <= 2 else replace(SMALL[spec.kind], classes=spec.classes)


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, since small matrices gain nothing from more, and a cache that nobody else fills."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFEIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Recipe], Bench]]:
    """A bench for each recipe, made once."""
    pair = Pair(tmp_path_factory.mktemp("pair"))
    made: dict[str, Bench] = {}

    def get(recipe: Recipe) -> Bench:
        folders = lambda: tmp_path_factory.mktemp(recipe.name)  # noqa: E731
        return made.setdefault(recipe.name, Bench(recipe, folders, pair))

    yield get
    pair.close()
