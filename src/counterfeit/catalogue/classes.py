"""Finds every model, and what a class of models can do.

A model is the concrete `Model` of a file in `models/`, named after the file. Classes of one's own are handed over.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from counterfeit.common.discovery import by_name, concrete, modules
from counterfeit.common.spelling import nearest, summary
from counterfeit.core import CAPABILITIES, Model
from counterfeit.core.capabilities import (
    Bounds,
    Completes,
    Density,
    Energy,
    GivenDensity,
    MarkovChain,
    Predicts,
    ProbabilityFlow,
    Renders,
    Samples,
    Translates,
    Upscales,
)

__all__ = [
    "BRANCHES",
    "UnknownClassError",
    "able",
    "branch",
    "capabilities",
    "family",
    "model_class",
    "models",
    "own",
    "summaries",
]

BRANCHES: dict[str, tuple[type, ...]] = {
    "explicit, exact": (Density, GivenDensity), "explicit, bounded": (Bounds,),
    "explicit, by a differential equation": (ProbabilityFlow,), "explicit, but for a constant": (Energy,),
    "implicit, by a Markov chain": (MarkovChain,),
    "implicit, direct": (Samples, Translates, Predicts, Completes, Upscales, Renders),
}  # fmt: skip
"""Branches of the tree of families, and the capabilities that place a model there; the first that it has decides."""


@cache
def models() -> dict[str, type[Model]]:
    """Every model by name: that of its file, so that `wgan_gp.py` is `wgan-gp`."""
    return by_name(
        (path.rpartition(".")[2].replace("_", "-"), cls)
        for path in modules("counterfeit.models")
        for cls in filter(_complete, concrete(importlib.import_module(path), Model).values())
    )


def _complete(cls: type) -> bool:
    """Whether a spec is all a class needs; what a family shares needs more."""
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.default is p.empty] == ["spec"]


class UnknownClassError(ValueError):
    """A run is of a class of one's own that nobody has handed over."""


OWN: dict[str, type[Model]] = {}
"""Classes of models that were handed over, by `module:Class`."""


def own(model: type[Model] | str) -> str:
    """Make a class of one's own known, and return the name that runs of it bear, `module:Class`.

    Arguments:
        model: the class; or `module:Class`, which imports that module, and so runs its code.

    Raises:
        ValueError: there is none, it is no model, or it needs more than a spec.

    Example:
        >>> own("counterfeit.models.autoencoding.vae:VAE")
        'counterfeit.models.autoencoding.vae:VAE'
    """
    cls = _imported(model) if isinstance(model, str) else model
    if not (inspect.isclass(cls) and issubclass(cls, Model)) or inspect.isabstract(cls):
        raise ValueError(f"{model!r} came; a class of models, which implements `updates`, is expected. Name another.")
    if not _complete(cls):
        raise ValueError(f"{cls.__name__} needs more than a spec; give every other argument a default.")
    name = f"{cls.__module__}:{cls.__qualname__}"
    OWN[name] = cls
    return name


def _imported(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{name!r} came; module:Class is expected, such as models.mine:Mine.")
    sys.path.insert(0, str(Path.cwd()))  # as python itself does for a script
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be imported ({error}). Run where it can, or set PYTHONPATH.") from None
    finally:
        sys.path.pop(0)


def model_class(name: str) -> type[Model]:
    """The model of that name, or one of one's own that was handed over."""
    if ":" in name:
        if name not in OWN:
            said = f"{name} is a class of somebody's own, and a folder alone never runs code"
            how = f"--model-class {name}, or model={name.rpartition(':')[2]} in Python"
            raise UnknownClassError(f"{said}. Give it: {how}.")
        return OWN[name]
    if name not in models():
        raise ValueError(f"model {name!r} is unknown; {nearest(name, summaries(), 'counterfeit list models')}")
    return models()[name]


def family(cls: type[Model]) -> str:
    """The family of a model: the folder that its file lies in.

    Example:
        >>> family(model_class("vae"))
        'autoencoding'
    """
    return cls.__module__.split(".")[2]


def summaries() -> dict[str, str]:
    """What each model says of itself."""
    return {name: summary(cls) for name, cls in models().items()}


def capabilities(cls: type) -> tuple[str, ...]:
    """Names of what a model can do."""
    return tuple(c.__name__ for c in CAPABILITIES if able(cls, c))


def branch(cls: type) -> str:
    """What a model knows of p(x), and how it samples: its branch in the tree of families, by what it can do.

    After I. Goodfellow, NIPS 2016 Tutorial: Generative Adversarial Networks, figure 9 (arXiv 1701.00160), with a branch
    of its own for differential equations; empty for what is not generative.

    Example:
        >>> [branch(model_class(name)) for name in ("made", "vae", "gan")]
        ['explicit, exact', 'explicit, bounded', 'implicit, direct']
    """
    return next((name for name, marks in BRANCHES.items() if any(able(cls, mark) for mark in marks)), "")


def able(cls: type, capability: type | UnionType) -> bool:
    """Whether a class has the methods of a capability, or of one of several; what else that holds is set later."""
    if isinstance(capability, UnionType):
        return any(able(cls, one) for one in get_args(capability))
    methods = (name for name, _ in inspect.getmembers(capability, inspect.isfunction) if not name.startswith("_"))
    return all(hasattr(cls, name) for name in methods)
