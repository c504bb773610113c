"""Models by their settings as the command line has them, without the groups that constructors take."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TypeVar

from counterfeit.config.parse import groups
from counterfeit.core import Model, Spec

M = TypeVar("M", bound=Model)


def flat(model: type[M], spec: Spec, *rest: object, **settings: object) -> M:
    """The model; what is `rest` stands in the order of its arguments."""
    names = [*inspect.signature(model).parameters][1:]
    settings |= dict(zip(names, rest, strict=False))
    for name, default in groups(model).items():
        own = {f.name: settings.pop(f.name) for f in dataclasses.fields(default) if f.name in settings}
        if own:
            settings[name] = dataclasses.replace(settings.get(name, default), **own)
    return model(spec, **settings)
