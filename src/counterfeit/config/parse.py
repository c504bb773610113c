"""From text and nested settings to typed ones, and back to the shortest command line."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
import types
import typing
from argparse import SUPPRESS, ArgumentError
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import yaml

from counterfeit.common.spelling import nearest
from counterfeit.config.nested import flatten, merge, nest
from counterfeit.config.settings import SECTIONS, Config, describe_type

__all__ = ["Setting", "changed", "command", "groups", "options", "parse", "settings_help", "settings_of"]


def changed(config: Config, recipe: Config) -> dict[str, Any]:
    """Dotted key -> value of the settings that differ from the recipe's own."""
    known = [f"{section}.{f.name}" for section, cls in SECTIONS.items() for f in dataclasses.fields(cls)]
    ours, theirs = (dict(flatten(c.to_dict(), known)) for c in (config, recipe))
    return {key: value for key, value in ours.items() if value != theirs.get(key)}


def command(config: Config, recipe: Config) -> str:
    """The shortest command line that trains by `config`: what differs from the recipe's own settings."""
    return " ".join(["counterfeit train", config.recipe, *options(changed(config, recipe))])


def options(settings: Mapping[str, Any]) -> list[str]:
    """Settings by dotted keys as options of a command line."""
    return [f"--{key} {_word(value)}" for key, value in settings.items()]


def _word(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    return shlex.quote(text)


# what the parser raises for a value of another type
REFUSALS = (ArgumentError, TypeError, ValueError, KeyError, OverflowError)


def parse(recipe: str, model: str, model_class: type, *layers: Mapping[str, Any]) -> Config:
    """Resolve settings: defaults, then each layer of nested settings over the one before.

    Values may be text, as from a command line; they are converted to the type in the signature.

    Raises:
        ValueError: an unknown key, naming the nearest known one, or a value of another type, naming the expected one.
    """
    parser, listing = _parsing(model_class), f"counterfeit train {recipe} --help"
    types_by_key = _types(parser)
    merged: dict[str, Any] = {}
    for layer in layers:
        for dotted, given in flatten(layer, list(types_by_key)):
            key, value = _mapping(dotted, given, types_by_key)
            if key not in types_by_key:
                raise ValueError(f"{key} is no setting of {recipe}; {nearest(key, _described(parser), listing)}")
            value = _convert(value, types_by_key[key])
            _check_given(key, value, types_by_key[key])
            merged[key] = merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    tree = _resolve(parser, merged, types_by_key).as_dict()
    sections = {name: cls(**tree[name]) for name, cls in SECTIONS.items()}
    return Config(recipe, model, _grouped(model_class, tree.get("model", {})), **sections)


def _check_given(key: str, value: Any, hint: Any) -> None:
    """Refuse what the parser lets pass: null where the type has none, and integers beyond all bounds."""
    if value is None and type(None) not in typing.get_args(hint):
        raise ValueError(f"{key}: null came; {describe_type(hint)} is expected.")
    if any(isinstance(item, int) and abs(item) >= 2**63 for item in (value if isinstance(value, list) else [value])):
        raise ValueError(f"{key}: a number beyond all bounds came; less than 2**63 is expected. Lower it.")


def settings_help(model_class: type, defaults: Mapping[str, Any], prog: str) -> str:
    """The help text of every setting of a recipe, with the recipe's own values as defaults."""
    parser = _parser(model_class, prog)
    parser.set_defaults(dict(flatten(defaults, list(_types(parser)))))
    return parser.format_help()


class Setting(NamedTuple):
    """One setting of a recipe, as a form shows it.

    Arguments:
        key: dotted, such as "train.lr".
        type: in words.
        choices: texts of which one is expected; empty where others may be.
        default: the recipe's own.
        help: what it means.
    """

    key: str
    type: str
    choices: tuple[str, ...]
    default: Any
    help: str


def settings_of(model_class: type, defaults: Mapping[str, Any]) -> list[Setting]:
    """Every setting of a recipe, the model's first, with the recipe's own values as `defaults`, nested."""
    parser = _parsing(model_class)
    types_by_key, described = _types(parser), _described(parser)
    usual = {key: parser.get_default(key) for key in types_by_key} | dict(flatten(defaults, list(types_by_key)))
    return [
        Setting(key, describe_type(hint), _choices(hint), usual[key], described.get(key, "").strip())
        for key, hint in types_by_key.items()
    ]


def _choices(hint: Any) -> tuple[str, ...]:
    return tuple(map(str, typing.get_args(hint))) if typing.get_origin(hint) is Literal else ()


@cache  # building one takes longer than parsing
def _parsing(model_class: type) -> Any:
    return _parser(model_class)


def _parser(model_class: type, prog: str = "counterfeit") -> Any:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False, usage="")
    grouped = groups(model_class)
    parser.add_class_arguments(model_class, "model", skip={"spec", *grouped}, fail_untyped=False)
    for default in grouped.values():
        parser.add_class_arguments(type(default), "model", as_group=False)
        parser.set_defaults({f"model.{key}": value for key, value in dataclasses.asdict(default).items()})
    for name, cls in SECTIONS.items():
        parser.add_class_arguments(cls, name)
    for action in parser._actions:
        if "." not in action.dest:  # a group as a whole is no setting
            action.help = SUPPRESS
    return parser


def groups(model_class: type) -> dict[str, Any]:
    """Arguments of a model that are groups of settings (dataclasses), with their defaults.

    Those of the signature, or, where models differ in them alone, a class's own `default_` and the argument's name.
    """
    parameters = inspect.signature(model_class).parameters
    found = {name: getattr(model_class, f"default_{name}", p.default) for name, p in parameters.items()}
    return {name: default for name, default in found.items() if name != "spec" and dataclasses.is_dataclass(default)}


def _grouped(model_class: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's constructor takes: the settings of each group together, the others as they are."""
    arguments = dict(settings)
    for name, default in groups(model_class).items():
        arguments[name] = type(default)(**{f.name: arguments.pop(f.name) for f in dataclasses.fields(default)})
    return arguments


def _described(parser: Any) -> dict[str, str]:
    return {a.dest: a.help or "" for a in parser._actions if a.dest and "." in a.dest}


def _types(parser: Any) -> dict[str, Any]:
    return {a.dest: getattr(a, "_typehint", a.type) for a in parser._actions if a.dest and "." in a.dest}


def _mapping(dotted: str, value: Any, types_by_key: Mapping[str, Any]) -> tuple[str, Any]:
    """`train.parts.generator.lr: x` as `train.parts: {generator: {lr: x}}`."""
    for key, hint in types_by_key.items():
        if typing.get_origin(hint) is dict and dotted.startswith(f"{key}."):
            value = _value(value) if isinstance(value, str) else value
            return key, nest({dotted.removeprefix(f"{key}."): value})
    return dotted, value


def _convert(value: Any, hint: Any) -> Any:
    if isinstance(value, str) and not _takes_text(hint):
        value = _texts(value) if _of_texts(hint) else _value(value)
    if typing.get_origin(hint) is not tuple:
        return value
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [str(item) if _of_texts(hint) and type(item) is int else item for item in values]  # a class called 3


def _of_texts(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple and typing.get_args(hint)[0] is str


def _texts(text: str) -> Any:
    """The texts in a list as a person or `command` writes it, as they are: a class may be called 001, or no."""
    if text[:1] != "[":
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        found = yaml.compose(text, yaml.SafeLoader)  # texts that YAML has not made values of
    except yaml.YAMLError:
        return text
    return [node.value for node in found.value] if isinstance(found, yaml.SequenceNode) else text


def _resolve(parser: Any, settings: Mapping[str, Any], types_by_key: Mapping[str, Any]) -> Any:
    """All settings at once; only where that fails one by one, to name the wrong one: the parser is slow."""
    try:
        return parser.parse_object(nest(settings))
    except REFUSALS as error:
        for key, value in settings.items():
            try:
                parser.parse_object(nest({key: value}))
            except REFUSALS:
                raise ValueError(f"{key}: {value!r} came; {describe_type(types_by_key[key])} is expected.") from None
        raise ValueError(" ".join(str(error).split())) from None


def _value(text: str) -> Any:
    """What the text stands for; itself where it is no YAML, so that the message about its type names it."""
    try:
        return yaml.safe_load(_as_yaml(text))
    except yaml.YAMLError:
        return text


def _as_yaml(text: str) -> str:
    # "1e-4" is text to YAML 1.1, and "512,256" is what a person types for a list
    if "," in text and text[:1] not in "[{":
        return f"[{text}]"
    try:
        return repr(float(text)) if "e" in text.lower() else text
    except ValueError:
        return text


def _takes_text(hint: Any) -> bool:
    if typing.get_origin(hint) is Literal:
        return True
    return hint is str or (typing.get_origin(hint) in {typing.Union, types.UnionType} and str in typing.get_args(hint))
