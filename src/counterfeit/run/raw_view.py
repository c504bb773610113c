"""A run measured against pictures as they were before the transforms that it was trained through."""

from __future__ import annotations

from torch import Tensor

from counterfeit.core import Decodes, Generator, Samples, check_request, require
from counterfeit.data.source import Source
from counterfeit.evaluation.subject import Subject
from counterfeit.run.run import Run

__all__ = ["view"]


class _Pictured(Generator):
    """Samples of a model as pictures before the transforms of its data; decoded means where its pixels are binary."""

    def __init__(self, model: Generator, source: Source) -> None:
        super().__init__(source.raw.spec)
        self.model, self.source = model, source
        self.means = isinstance(model, Decodes) and (model.spec.kind, self.spec.kind) == ("binary", "image")

    def sample(self, n: int, y: Tensor | None = None) -> Tensor:
        check_request(n, y)
        if self.means:
            decodes = require(self.model, Decodes)
            return self.source.natural(decodes.decode(decodes.prior(n)))
        return self.source.natural(require(self.model, Samples).sample(n))


def view(run: Run, source: Source) -> Subject:
    """The run as it is, where `source` is what it was trained on; else measured against the pictures of `source`.

    Raises:
        ValueError: where `source` is neither that nor the same before its transforms.
    """
    own = run.source
    if source.fingerprint == own.fingerprint:
        return run.subject
    if source.fingerprint != own.raw.fingerprint:
        after = f" after {', '.join(run.config.data.transforms)}" if run.config.data.transforms else ""
        raise ValueError(
            f"{run.path} was trained on {own.name}{after}; --data names other data. Leave it out, or give {own.name}."
        )
    if not isinstance(run.model, Samples):
        raise ValueError(f"{run.path} does not sample; a model that samples is expected for --data. Leave --data out.")
    model = _Pictured(run.model, own).eval()
    what = "decoded means, in place of draws," if model.means else "draws"
    note = f"{what} of a model of {source.name} after {', '.join(run.config.data.transforms)}"
    return Subject(run.name, model, source, run.config.evaluate, note, run=run)
