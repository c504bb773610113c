"""A run measured against pictures as they were before the transforms that it was trained through."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from counterfeit.common.threads import using
from counterfeit.config.settings import Evaluation
from counterfeit.core import Clock, Decodes, Draw, Model, Samples, Update, check_request
from counterfeit.data.source import Source
from counterfeit.evaluation.fixed_samples import Outside
from counterfeit.evaluation.measure import Results, Tell, measure
from counterfeit.inference.draws import draw
from counterfeit.run.run import Run

__all__ = ["View", "trained", "view"]


class _Pictured(Model):
    """Samples of a model as pictures before the transforms of its data; decoded means where its pixels are binary."""

    def __init__(self, model: Model, source: Source) -> None:
        super().__init__(source.raw.spec)
        self.model, self.source = model, source
        self.means = isinstance(model, Decodes) and (model.spec.kind, self.spec.kind) == ("binary", "image")

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:  # noqa: ARG002
        return iter(())

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        check_request(n, y)
        if self.means:
            decodes = cast(Decodes, self.model)
            return self.source.natural(decodes.decode(decodes.prior(n)))
        return self.source.natural(cast(Samples, self.model).sample(n))


@dataclass(frozen=True)
class View:
    """A run, measured against pictures as they were before transforms; nothing of it is kept in the run folder.

    Arguments:
        run: the run.
        source: the pictures.
        model: what draws such pictures.
    """

    run: Run
    source: Source
    model: _Pictured

    @property
    def name(self) -> str:
        """The run's."""
        return self.run.name

    @property
    def how(self) -> str:
        """What stands for samples, in words."""
        what = "decoded means, in place of draws," if self.model.means else "draws"
        return f"{what} of a model of {self.source.name} after {', '.join(self.run.config.data.transforms)}"

    def settings(self, **options: Any) -> Evaluation:
        """How to evaluate: as the recipe says, with `options` over it."""
        return self.run.settings(**options)

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """Draw `n` pictures, (n, *shape), on the CPU."""
        return draw(self, n, seed, y, mean)

    def evaluate(self, *metrics: str, tell: Tell | None = None, **options: Any) -> Results:
        """Measure and return metric -> result, whose details say what stands for samples."""
        with using(self.run.threads):
            results = measure(self, metrics or ("all",), self.settings(**options), tell)
        marked = {"samples": self.how}
        rows = {name: dataclasses.replace(r, details={**r.details, **marked}) for name, r in results.items()}
        return Results(rows, results.skipped)


def view(run: Run, source: Source) -> Run | View:
    """The run as it is, where `source` is what it was trained on; else measured against the pictures of `source`.

    Raises:
        ValueError: where `source` is neither that nor the same before its transforms.
    """
    own = run.source
    if source.fingerprint == own.fingerprint:
        return run
    if source.fingerprint != own.raw.fingerprint:
        after = f" after {', '.join(run.config.data.transforms)}" if run.config.data.transforms else ""
        raise ValueError(
            f"{run.path} was trained on {own.name}{after}; --data names other data. Leave it out, or give {own.name}."
        )
    if not isinstance(run.model, Samples):
        raise ValueError(f"{run.path} does not sample; a model that samples is expected for --data. Leave --data out.")
    return View(run, source, _Pictured(run.model, own).eval())


def trained(one: Run | Outside | View) -> Run | None:
    """The run that is measured; None for samples made elsewhere."""
    if isinstance(one, Outside):
        return None
    return one if isinstance(one, Run) else one.run
