"""Settings: frozen dataclasses, filled from a recipe (YAML), then from the command line or from Python.

A setting has one name everywhere: `train: {lr: …}` in a recipe, `--train.lr` on the command line, `"train.lr"` in
Python. Types, defaults and help come from the signatures and docstrings of the dataclasses here and of the model's
constructor.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import shlex
import types
import typing
from argparse import SUPPRESS, ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import yaml

from counterfeit.data.schema import MisfitError, mapping, parse_yaml, whatever
from counterfeit.metrics.metric import Evaluation

__all__ = [
    "Config", "Data", "Rule", "Train", "changed", "command", "dump", "flatten", "load_yaml", "merge", "nearest", "nest",
    "parse", "settings_help",
]  # fmt: skip


def nearest(name: str, known: Sequence[str], listing: str = "") -> str:
    """The end of an error message: the known name nearest to `name`, all of them, or what lists them where many."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if len(known) <= 20 or not listing:
        return f"known: {', '.join(sorted(known))}"
    return f"`{listing}` lists all {len(known)}"


@dataclass(frozen=True)
class Data:
    """What to train on.

    Arguments:
        name: a source (`counterfeit list data`), or the path of a folder or zip of images.
        size: side of the images in pixels; null keeps a source's own size.
        range: LOW,HIGH: the values of files that are black and white; auto: all that integers can hold, all of floats.
        frames: length of a film, where the data are films; null where they are not.
        every: of a film, every so many frames are kept.
        transforms: applied to every batch, by name: binarize, dequantize, logit, symmetric, flatten.
        options: further arguments of the source.
        classes: only these classes, by name, in this order; all where none are named.
    """

    name: str = "digits"
    size: int | None = None
    transforms: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    range: str | tuple[float, float] = "auto"
    frames: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("data.name: '' came; a source or the path of pictures is expected. Name one.")
        for name in ("size", "frames", "every"):
            if getattr(self, name) is not None:
                _at_least(f"data.{name}", getattr(self, name), 1)
        object.__setattr__(self, "range", _range(self.range))

    @property
    def span(self) -> tuple[float, float] | None:
        """The values that are black and white, where they were said."""
        return None if isinstance(self.range, str) else self.range


@dataclass(frozen=True)
class Rule:
    """How the parameters of a part move.

    Arguments:
        optimizer: the optimizer.
        lr: learning rate.
        betas: decay rates of Adam's moments.
        momentum: of SGD, at the start.
        momentum_final: of SGD, reached linearly after `momentum_steps`; null keeps it constant.
        momentum_steps: steps over which the momentum changes.
        weight_decay: decay of the weights.
        schedule: of the learning rate after `hold`: constant, linear or cosine to `lr_final`, exponential by `decay`.
        warmup: steps over which the learning rate rises from 0.
        hold: fraction of training at the full learning rate before the schedule starts.
        decay: exponential schedule: the learning rate is divided by it every step.
        lr_final: the lowest learning rate.
        clip: largest norm of a part's gradient; null for none.
        max_norm: largest norm of the incoming weights of each unit of linear maps and convolutions; null for none.
        ema: decay of the exponential moving average of the weights that sampling uses; 0 for none.
    """

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    momentum_final: float | None = None
    momentum_steps: int = 1
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine", "exponential"] = "constant"
    warmup: int = 0
    hold: float = 0.0
    decay: float = 1.0
    lr_final: float = 0.0
    clip: float | None = None
    max_norm: float | None = None
    ema: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lr", "lr_final", "weight_decay"):
            _at_least(f"train.{name}", getattr(self, name), 0.0)
        _at_least("train.warmup", self.warmup, 0)
        _at_least("train.momentum_steps", self.momentum_steps, 1)
        _at_least("train.decay", self.decay, 1.0)
        for name in ("ema", "hold", "momentum"):
            _within(f"train.{name}", getattr(self, name))
        for beta in self.betas:
            _within("train.betas", beta)
        for name in ("clip", "max_norm"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(
                    f"train.{name}: {getattr(self, name)} came; more than 0 is expected. Leave it out for none."
                )


@dataclass(frozen=True)
class Train(Rule):
    """How to train.

    Arguments:
        parts: any of the settings above for one part, as {generator: {lr: 1e-4}}.
        steps: training steps, each one pass through the model's updates.
        batch_size: examples in a minibatch, over all micro-batches and processes.
        micro_batches: pieces a minibatch is taken in, to save memory, where losses are means over examples.
        seed: of initial weights, data order and noise.
        precision: fp32, or bf16 for matrix products with fp32 weights.
        compile: off, or the torch.compile backend for every net.
        device: auto, cpu, cuda, cuda:1, mps.
        threads: CPU threads; 0 takes as many as the work of a step is worth, lest they wait for each other.
        log_every: steps between log lines.
        save_every: steps between checkpoints, with samples and validation.
        samples: pictures in the sample grid.
        validate: metric, or its row, on the validation split that chooses the best checkpoint; null keeps the newest.
        validate_samples: samples drawn for it.
        patience: validations without gain after which training ends early; null never ends it.
        keep: newest checkpoints kept beside the best.
        milestones: keep the first checkpoint too, and the saves whose number is a power of two.
        workers: processes that decode data too big for memory.
        tensorboard: write TensorBoard events too.
        doctor: at every save, watch and say what is wrong; stop there, or roll back to the last healthy checkpoint.
    """

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: int = 2_000
    batch_size: int = 128
    micro_batches: int = 1
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["off", "inductor", "aot_eager"] = "off"
    device: str = "auto"
    threads: int = 0
    log_every: int = 50
    save_every: int = 500
    samples: int = 64
    validate: str | None = None
    validate_samples: int = 10_000
    patience: int | None = None
    keep: int = 1
    milestones: bool = True
    workers: int = 2
    tensorboard: bool = True
    doctor: Literal["off", "watch", "stop", "rollback"] = "watch"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (
            "steps",
            "batch_size",
            "micro_batches",
            "log_every",
            "save_every",
            "samples",
            "validate_samples",
            "keep",
        ):
            _at_least(f"train.{name}", getattr(self, name), 1)
        if self.patience is not None:
            _at_least("train.patience", self.patience, 1)
        for name in ("seed", "threads", "workers"):
            _at_least(f"train.{name}", getattr(self, name), 0)
        if self.threads > 1_024:
            raise ValueError(f"train.threads: {self.threads} came; at most 1024 is expected. 0 chooses by the work.")
        if self.seed >= 2**63:
            raise ValueError(f"train.seed: {self.seed} came; less than 2**63 is expected. Lower it.")
        if self.batch_size % self.micro_batches:
            raise ValueError(
                f"train.micro_batches: {self.micro_batches} came; a divisor of train.batch_size={self.batch_size} "
                "is expected. Change either."
            )
        for part in self.parts:
            self.rule(part)

    def rule(self, part: str) -> Rule:
        """The settings of one part: its own over the common ones."""
        known = {f.name: getattr(self, f.name) for f in dataclasses.fields(Rule)}
        own = self.parts.get(part, {})
        for key in own:
            if key not in known:
                raise ValueError(f"train.parts.{part}.{key} is no setting of a part; {nearest(key, list(known))}")
            hint = typing.get_type_hints(Rule)[key]
            if typing.get_origin(hint) is Literal and own[key] not in typing.get_args(hint):
                raise ValueError(f"train.parts.{part}.{key}: {own[key]!r} came; {_describe(hint)} is expected.")
        return Rule(**known | {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})


@dataclass(frozen=True)
class Config:
    """Everything that decides a run: recipe name, model name, the model's own arguments, data, training, evaluation."""

    recipe: str
    model: str
    arguments: dict[str, Any]
    data: Data
    train: Train
    evaluate: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """As in `run.yaml`."""
        model = {"name": self.model}
        for name, value in self.arguments.items():  # a group of settings lies flat among the others
            group = dataclasses.is_dataclass(value) and not isinstance(value, type)
            model |= dataclasses.asdict(value) if group else {name: value}
        sections = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        return _plain({"recipe": self.recipe, "model": model, **sections})


def changed(config: Config, recipe: Config) -> dict[str, Any]:
    """Dotted key -> value of the settings that differ from the recipe's own."""
    known = [f"{section}.{f.name}" for section, cls in SECTIONS.items() for f in dataclasses.fields(cls)]
    ours, theirs = (dict(flatten(c.to_dict(), known)) for c in (config, recipe))
    return {key: value for key, value in ours.items() if value != theirs.get(key)}


def command(config: Config, recipe: Config) -> str:
    """The shortest command line that trains by `config`: what differs from the recipe's own settings."""
    words = [f"--{key} {_word(value)}" for key, value in changed(config, recipe).items()]
    return " ".join(["counterfeit train", config.recipe, *words])


def _word(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    return shlex.quote(text)


# what the parser raises for a value of another type
REFUSALS = (ArgumentError, TypeError, ValueError, KeyError, OverflowError)
SECTIONS: Mapping[str, type] = {"data": Data, "train": Train, "evaluate": Evaluation}


def load_yaml(text: str, where: str) -> dict[str, Any]:
    """Read a mapping with the safe loader; an error is one line."""
    try:
        return dict(parse_yaml(text, mapping(whatever)))
    except MisfitError as error:
        raise ValueError(f"{where}: {error}. Correct it.") from None


def dump(content: Mapping[str, Any]) -> str:
    """YAML text that `load_yaml` reads back."""
    return yaml.safe_dump(_plain(content), sort_keys=False, width=120)


def flatten(settings: Mapping[str, Any], known: Sequence[str] = (), prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of nested settings; a mapping that is itself the value of a known key stays whole."""
    for key, value in settings.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and dotted not in known:
            yield from flatten(value, known, f"{dotted}.")
        else:
            yield dotted, value


def nest(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of dotted keys.

    Example:
        >>> nest({"train.lr": 0.1, "train.steps": 5})
        {'train': {'lr': 0.1, 'steps': 5}}
    """
    out: dict[str, Any] = {}
    for dotted, value in settings.items():
        for part in reversed(dotted.split(".")):
            value = {part: value}
        out = merge(out, value)
    return out


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings `over` laid upon `under`.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    out = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merge(out[key], value) if both else value
    return out


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
                raise ValueError(f"{key} is no setting of {recipe}; {nearest(key, list(types_by_key), listing)}")
            value = _convert(value, types_by_key[key])
            _check_given(key, value, types_by_key[key])
            merged[key] = merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    tree = _resolve(parser, merged, types_by_key).as_dict()
    sections = {name: cls(**tree[name]) for name, cls in SECTIONS.items()}
    return Config(recipe, model, _grouped(model_class, tree.get("model", {})), **sections)


def _check_given(key: str, value: Any, hint: Any) -> None:
    """Refuse what the parser lets pass: null where the type has none, and integers beyond all bounds."""
    if value is None and type(None) not in typing.get_args(hint):
        raise ValueError(f"{key}: null came; {_describe(hint)} is expected.")
    if any(isinstance(item, int) and abs(item) >= 2**63 for item in (value if isinstance(value, list) else [value])):
        raise ValueError(f"{key}: a number beyond all bounds came; less than 2**63 is expected. Lower it.")


def settings_help(model_class: type, defaults: Mapping[str, Any], prog: str) -> str:
    """The help text of every setting of a recipe, with the recipe's own values as defaults."""
    parser = _parser(model_class, prog)
    parser.set_defaults(dict(flatten(defaults, list(_types(parser)))))
    return parser.format_help()


@cache  # building one takes longer than parsing
def _parsing(model_class: type) -> Any:
    return _parser(model_class)


def _parser(model_class: type, prog: str = "counterfeit") -> Any:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False, usage="")
    groups = _groups(model_class)
    parser.add_class_arguments(model_class, "model", skip={"spec", *groups}, fail_untyped=False)
    for default in groups.values():
        parser.add_class_arguments(type(default), "model", as_group=False)
        parser.set_defaults({f"model.{key}": value for key, value in dataclasses.asdict(default).items()})
    for name, cls in SECTIONS.items():
        parser.add_class_arguments(cls, name)
    for action in parser._actions:
        if "." not in action.dest:  # a group as a whole is no setting
            action.help = SUPPRESS
    return parser


def _groups(model_class: type) -> dict[str, Any]:
    """Arguments of a model that are groups of settings shared by a family (dataclasses), with their defaults."""
    parameters = inspect.signature(model_class).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "spec" and dataclasses.is_dataclass(p.default)}


def _grouped(model_class: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the model's constructor takes: the settings of each group together, the others as they are."""
    arguments = dict(settings)
    for name, default in _groups(model_class).items():
        arguments[name] = type(default)(**{f.name: arguments.pop(f.name) for f in dataclasses.fields(default)})
    return arguments


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
                raise ValueError(f"{key}: {value!r} came; {_describe(types_by_key[key])} is expected.") from None
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


def _describe(hint: Any) -> str:
    """A type in words."""
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_describe(a) for a in arguments)
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f" of {len(arguments)}"
        return f"a list{count} of {_describe(arguments[0]).split()[-1]}s"
    if origin is dict:
        return "a mapping"
    return names.get(hint, str(hint))


def _plain(value: Any) -> Any:
    """Tuples as lists, so that the safe dumper and loader agree."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _range(value: Any) -> str | tuple[float, float]:
    if value == "auto":
        return "auto"
    try:
        low, high = map(float, value.split(",") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"data.range: {value!r} came; auto or LOW,HIGH is expected, LOW below HIGH, such as 0,4095.")
    return low, high


def _at_least(name: str, value: float, low: float) -> None:
    if not (isinstance(value, (int, float)) and value >= low):
        raise ValueError(f"{name}: {value} came; at least {low:g} is expected. Raise it.")


def _within(name: str, value: float) -> None:
    if not (isinstance(value, (int, float)) and 0.0 <= value < 1.0):
        raise ValueError(f"{name}: {value} came; a number in [0, 1) is expected.")
