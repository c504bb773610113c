"""Finds every model, source and recipe, and builds a run's parts from settings.

A model is the concrete `Model` of a file in `models/`, named after the file; a source is a concrete `Source` in
`data/sources/`; a recipe is a file in `recipes/`. Nothing is registered by hand.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from counterfeit.common import file_schemas, schema
from counterfeit.common.discovery import by_name, concrete, modules
from counterfeit.common.seeding import mix, seeded
from counterfeit.common.spelling import nearest, summary
from counterfeit.config.nested import dump, load_yaml
from counterfeit.config.parse import parse
from counterfeit.config.settings import Config, Data
from counterfeit.core import CAPABILITIES, Model
from counterfeit.data.class_subset import chosen
from counterfeit.data.source import Source, transformed
from counterfeit.data.sources.arrays import SUFFIXES, Arrays
from counterfeit.data.sources.captioned_folder import CaptionedFolder
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.kept import KEPT, Kept, kept_name
from counterfeit.data.sources.video_folder import Videos
from counterfeit.transforms import build as chain

__all__ = [
    "Recipe", "UnknownClassError", "able", "build", "capabilities", "configure", "model_class", "models", "own",
    "recipe", "recipes", "source", "sources",
]  # fmt: skip

SETTINGS = ("model", "data", "train", "evaluate")


@dataclass(frozen=True)
class Recipe:
    """A model on a data set, with the numbers it must reach.

    Arguments:
        name: as on the command line.
        summary: one line for listings.
        settings: nested settings over the defaults; `settings["model"]["name"]` names the model.
        targets: numbers to reach and where they were published.
        smoke: settings that make every check run in seconds.
        xfail: checks that this recipe cannot pass, each with its reason.
        fingerprint: of the data that a run was trained on, where the recipe is a run's.
        beside: that run's folder.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    targets: tuple[Mapping[str, Any], ...] = ()
    smoke: Mapping[str, Any] = field(default_factory=dict)
    xfail: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    beside: Path | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.settings["model"]["name"])


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
        raise ValueError(f"model {name!r} is unknown; {nearest(name, _told(), 'counterfeit list models')}")
    return models()[name]


def _told() -> dict[str, str]:
    """What each model says of itself."""
    return {name: summary(cls) for name, cls in models().items()}


@cache
def sources() -> dict[str, type[Source]]:
    """Every source by name."""
    return by_name(
        (cls.name, cls)
        for path in modules("counterfeit.data.sources")
        for cls in concrete(importlib.import_module(path), Source).values() if hasattr(cls, "name")
    )  # fmt: skip


@cache
def recipes() -> dict[str, Recipe]:
    """Every bundled recipe by name."""
    files = [f for f in resources.files("counterfeit").joinpath("recipes").iterdir() if f.name.endswith(".yaml")]
    return {
        f.name[:-5]: _recipe(f.name[:-5], f.read_text(encoding="utf-8")) for f in sorted(files, key=lambda f: f.name)
    }


def recipe(name: str | Path | type[Model] | Mapping[str, Any] | Recipe) -> Recipe:
    """A recipe.

    Arguments:
        name: that of a bundled one; the path of a YAML file, which may be a run's run.yaml; a class of models, or
            `module:Class`, by its own defaults; or what a YAML file would hold.

    Raises:
        ValueError: there is none, or it holds what no recipe does.

    Example:
        >>> recipe({"model": {"name": "gan", "noise_dim": 8}}).model
        'gan'
    """
    if isinstance(name, Recipe):
        return name
    if isinstance(name, Mapping):
        return _recipe("own", dump(name))
    if not isinstance(name, (str, Path)):
        return of_class(own(name))
    name = str(name)
    if name in recipes():
        return recipes()[name]
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise ValueError(
                f"recipe file {name} does not exist. Give a file, or a name from `counterfeit list recipes`."
            )
        found = _recipe(path.stem, _text(path))
        return replace(found, beside=path.parent) if found.fingerprint else found
    if ":" in name and not path.exists():
        return of_class(own(name))
    if (path / "run.yaml").is_file():
        raise ValueError(
            f"{name} is a run folder; a recipe is expected. `counterfeit resume {name}` goes on with it, and "
            f"`counterfeit train {path / 'run.yaml'}` trains the same again."
        )
    known = {name: recipe.summary for name, recipe in recipes().items()}
    raise ValueError(f"recipe {name!r} is unknown; {nearest(name, known, 'counterfeit list recipes')}")


def of_class(model: str) -> Recipe:
    """A recipe of nothing but a class of one's own, by the name that `own` gave it."""
    cls = OWN[model]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()
    return Recipe(words, summary(cls), {"model": {"name": model}})


def _recipe(name: str, content: str) -> Recipe:
    where = f"recipe {name}"
    found = load_yaml(content, where)
    if {"recipe", "versions"} <= found.keys():
        return _of_run(_fit(found, file_schemas.RUN, where))
    for key in found:
        if key not in file_schemas.SECTIONS:
            raise ValueError(f"{where}: {key} is no section of a recipe; {nearest(key, [*file_schemas.SECTIONS])}")
    if not isinstance(found.get("model"), dict) or "name" not in found["model"]:
        raise ValueError(f"{where} names no model; `model: {{name: gan}}` is expected. Add it.")
    _fit(found, file_schemas.RECIPE, where)
    settings = {key: found[key] for key in SETTINGS if key in found}
    targets = tuple(found.get("targets", ()))
    return Recipe(name, found.get("summary", ""), settings, targets, found.get("smoke", {}), found.get("xfail", {}))


def _fit(content: dict[str, Any], form: schema.Schema, where: str) -> dict[str, Any]:
    try:
        form(content, "")
    except schema.MisfitError as error:
        raise ValueError(f"{where}: {error}. Correct it.") from None
    return content


def _text(path: Path) -> str:
    try:
        return schema.read_text(path)
    except schema.MisfitError as error:
        raise ValueError(f"recipe {path} cannot be read: {error}. Give another file.") from None


def _of_run(description: Mapping[str, Any]) -> Recipe:
    """What a run.yaml describes as a recipe, which trains the same again, with as many threads."""
    settings = {key: description[key] for key in SETTINGS if key in description}
    train = settings.get("train", {})
    if not train.get("threads") and description.get("threads"):
        settings["train"] = {**train, "threads": description["threads"]}
    told, targets = description.get("summary", ""), tuple(description.get("targets", ()))
    fingerprint = description.get("source", {}).get("fingerprint", "")
    return Recipe(description["recipe"], told, settings, targets, fingerprint=fingerprint)


def configure(chosen: Recipe, *layers: Mapping[str, Any]) -> Config:
    """The settings of a recipe with `layers` of nested settings over it.

    The recipe's `data.options` and `data.classes` are those of its own source: over other data they count for nothing.
    """
    settings, theirs = dict(chosen.settings), _data(chosen.settings)
    name = theirs.get("name", Data.name)
    if any(_data(layer).get("name", name) != name for layer in layers):
        settings["data"] = {key: value for key, value in theirs.items() if key not in ("options", "classes")}
    cls = model_class(chosen.model)
    for layer in layers:
        _check_model(chosen, layer)
    return parse(chosen.name, chosen.model, cls, _unnamed(settings), *map(_unnamed, layers))


def _check_model(chosen: Recipe, settings: Mapping[str, Any]) -> None:
    """Refuse settings of another model than the recipe's."""
    model = settings.get("model", {})
    if not isinstance(model, Mapping):
        raise ValueError(f"model: {model!r} came; settings of the model are expected, such as model.noise_dim.")
    name = model.get("name", chosen.model)
    if name != chosen.model:
        of_name = [r.name for r in recipes().values() if r.model == name]
        listing = "counterfeit list models"
        known = f"take {' or '.join(of_name)}" if of_name else nearest(str(name), _told(), listing)
        raise ValueError(f"model.name: {name!r} came; {chosen.name} is a recipe of {chosen.model}; {known}")


def _data(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    data = settings.get("data")
    return data if isinstance(data, Mapping) else {}


def _unnamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    model = {k: v for k, v in settings.get("model", {}).items() if k != "name"}
    return {**settings, "model": model} if "model" in settings else dict(settings)


def source(data: Data | str, beside: Path | None = None, adopted: Source | None = None) -> Source:
    """The source that settings name: by its name, or by the path of pictures, videos or arrays.

    Arguments:
        data: the settings.
        beside: the run folder, for data kept there.
        adopted: what was handed over in place of a name.
    """
    data = Data(data) if isinstance(data, str) else data
    raw = adopted or _construct(*_named(data, beside), data)
    if data.classes:
        raw = chosen(raw, data.classes)
    return transformed(raw, chain(data.transforms)) if data.transforms else raw


def _named(data: Data, beside: Path | None) -> tuple[type[Source], Path | None]:
    """The class of the source that is named, and the path of what it reads where that was named."""
    if beside is not None and data.name == KEPT:
        return Kept, beside / kept_name()
    path = Path(data.name).expanduser()
    if data.name in sources():
        cls = sources()[data.name]
        if "path" in inspect.signature(cls).parameters:
            raise ValueError(f"data {data.name!r} came; the path of a file or folder is expected in its place.")
        return cls, None
    if path.suffix.lower() in SUFFIXES:
        return Arrays, path
    if path.exists() or "/" in data.name or path.suffix.lower() == ".zip":
        return Videos if data.frames else CaptionedFolder if CaptionedFolder.has_captions(path) else Folder, path
    known = nearest(data.name, {name: cls.summary for name, cls in sources().items()}, "counterfeit list data")
    raise ValueError(f"data {data.name!r} is neither a source nor a path; {known}")


def _construct(cls: type[Source], path: Path | None, data: Data) -> Source:
    known = [p for p in inspect.signature(cls).parameters if p != "path"]
    every = data.every if data.every > 1 else None
    given = {"size": data.size, "span": data.span, "frames": data.frames, "every": every}
    for key in [key for key, value in given.items() if value is not None and key not in known]:
        raise ValueError(f"data.{'range' if key == 'span' else key} came; {data.name} takes none. Leave it out.")
    options = [key for key in known if key not in given]
    for key in data.options:
        if key not in options:
            hint = nearest(key, options) if options else "it has none"
            raise ValueError(f"data.options.{key} is no option of {data.name}; {hint}")
    common = {key: value for key, value in given.items() if value is not None}
    return cls(**({} if path is None else {"path": path}), **common, **data.options)


def capabilities(cls: type) -> tuple[str, ...]:
    """Names of what a model can do."""
    return tuple(c.__name__ for c in CAPABILITIES if able(cls, c))


def able(cls: type, capability: type) -> bool:
    """Whether a class has the methods of a capability; what else that holds is set when a model is made."""
    methods = (name for name, _ in inspect.getmembers(capability, inspect.isfunction) if not name.startswith("_"))
    return all(hasattr(cls, name) for name in methods)


def build(config: Config, source: Source, device: torch.device) -> Model:
    """The model of the settings for that source, with initial weights by the seed."""
    with seeded(mix(config.train.seed, 0x5EED)), _small_enough():
        model = model_class(config.model)(source.spec, **config.arguments)
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
