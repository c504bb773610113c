"""Finds every recipe, a file in `recipes/` or anywhere, and makes settings of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from counterfeit.catalogue.classes import OWN, model_class, own, summaries
from counterfeit.catalogue.data_sources import resizable
from counterfeit.common import file_schemas, schema
from counterfeit.common.spelling import nearest, summary
from counterfeit.config.nested import dump, load_yaml
from counterfeit.config.parse import parse
from counterfeit.config.settings import Config, Data
from counterfeit.core import Model

__all__ = ["SETTINGS", "Recipe", "configure", "of_class", "recipe", "recipes"]


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

    @property
    def defaults(self) -> dict[str, Any]:
        """Its settings, nested, without the name of the model."""
        model = {key: value for key, value in self.settings["model"].items() if key != "name"}
        return {**self.settings, "model": model}


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

    The recipe's `data.options`, `data.classes` and `data.transforms` are those of its own source: over other data they
    count for nothing, so that nothing is binarized, say, that did not ask for it; and `data.size` where data take none.
    """
    settings, theirs = dict(chosen.settings), _data(chosen.settings)
    name = theirs.get("name", Data.name)
    others = [other for layer in layers if (other := _data(layer).get("name", name)) != name]
    if others:
        dropped = {"options", "classes", "transforms"}
        dropped |= set() if "size" not in theirs or resizable(str(others[-1])) else {"size"}
        settings["data"] = {key: value for key, value in theirs.items() if key not in dropped}
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
        known = f"take {' or '.join(of_name)}" if of_name else nearest(str(name), summaries(), listing)
        raise ValueError(f"model.name: {name!r} came; {chosen.name} is a recipe of {chosen.model}; {known}")


def _data(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    data = settings.get("data")
    return data if isinstance(data, Mapping) else {}


def _unnamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    model = {k: v for k, v in settings.get("model", {}).items() if k != "name"}
    return {**settings, "model": model} if "model" in settings else dict(settings)
