"""Settings: frozen dataclasses, filled from a recipe (YAML), then from the command line or from Python.

A setting has one name everywhere: `train: {lr: …}` in a recipe, `--train.lr` on the command line, `"train.lr"` in
Python. Types, defaults and help come from the signatures and docstrings of the dataclasses here and of the model's
constructor.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from counterfeit.common.spelling import nearest
from counterfeit.config.nested import plain

__all__ = ["AUTO", "Config", "Data", "Evaluation", "FeatureName", "OptimizerSettings", "Train"]

AUTO = "auto"
"""Stands for the transforms that the model expects."""


@dataclass(frozen=True)
class Data:
    """What to train on.

    Arguments:
        name: a source (`counterfeit list data`), or the path of pictures, videos, sounds, arrays or a table.
        size: side of the images in pixels; null keeps a source's own size.
        range: LOW,HIGH: the values of files that are black and white; auto: all that integers can hold, all of floats.
        frames: length of a video, where the data are videos; null where they are not.
        every: of a video, every so many frames are kept.
        pairs: of a folder, what belongs together: folders (pictures of one name in A and B), or halves (left and right
            of each picture). The second of each pair is learnt from the first.
        transforms: applied to every batch, by name: binarize, dequantize, logit, symmetric, standardize, flatten; auto:
            what the model expects of data of this kind, as a flow dequantized pictures.
        options: further arguments of the source.
        classes: only these classes, by name, in this order; all where none are named.
    """

    name: str = "digits"
    size: int | None = None
    transforms: tuple[str, ...] = (AUTO,)
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    range: str | tuple[float, float] = "auto"
    frames: int | None = None
    every: int = 1
    pairs: Literal["none", "folders", "halves"] = "none"

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
class OptimizerSettings:
    """How the parameters of a part move.

    Arguments:
        optimizer: the optimizer.
        lr: learning rate; of Adadelta, which finds its own, a factor that is 1 in its paper.
        betas: decay rates of Adam's moments.
        momentum: of SGD, at the start.
        momentum_final: of SGD, reached linearly after `momentum_steps`; null keeps it constant.
        momentum_steps: steps over which the momentum changes.
        weight_decay: decay of the weights.
        schedule: of the learning rate after `lr_hold_fraction`: constant, linear or cosine to `lr_final`, exponential
            by `lr_decay_factor`.
        warmup_steps: steps over which the learning rate rises from 0.
        lr_hold_fraction: fraction of training at the full learning rate before the schedule starts.
        lr_decay_factor: exponential schedule: the learning rate is divided by it every step.
        lr_final: the lowest learning rate.
        clip_grad_norm: largest norm of a part's gradient; null for none.
        max_weight_norm: largest norm of the incoming weights of each unit of linear maps and convolutions; null for
            none.
        ema: decay of the exponential moving average of the weights that sampling uses; 0 for none.
    """

    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adadelta"] = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    momentum_final: float | None = None
    momentum_steps: int = 1
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine", "exponential"] = "constant"
    warmup_steps: int = 0
    lr_hold_fraction: float = 0.0
    lr_decay_factor: float = 1.0
    lr_final: float = 0.0
    clip_grad_norm: float | None = None
    max_weight_norm: float | None = None
    ema: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lr", "lr_final", "weight_decay"):
            _at_least(f"train.{name}", getattr(self, name), 0.0)
        _at_least("train.warmup_steps", self.warmup_steps, 0)
        _at_least("train.momentum_steps", self.momentum_steps, 1)
        _at_least("train.lr_decay_factor", self.lr_decay_factor, 1.0)
        for name in ("ema", "lr_hold_fraction", "momentum"):
            _within(f"train.{name}", getattr(self, name))
        for beta in self.betas:
            _within("train.betas", beta)
        for name in ("clip_grad_norm", "max_weight_norm"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(
                    f"train.{name}: {getattr(self, name)} came; more than 0 is expected. Leave it out for none."
                )


@dataclass(frozen=True)
class Train(OptimizerSettings):
    """How to train.

    Arguments:
        parts: any of the settings above for one part, as {generator: {lr: 1e-4}}.
        steps: training steps, each one pass through the model's updates.
        batch_size: examples in a minibatch, over all micro-batches and processes.
        micro_batches: pieces a minibatch is taken in, to save memory, where losses are means over examples.
        seed: of initial weights, data order and noise.
        precision: fp32, bf16 for matrix products with fp32 weights, or auto: bf16 where the device has instructions for
            it, and fp32 elsewhere, where bf16 is many times slower.
        compile: off, or the torch.compile backend for every net.
        device: auto, cpu, cuda, cuda:1, mps.
        threads: CPU threads; 0 takes as many as the work of a step is worth, lest they wait for each other.
        log_every: steps between log lines.
        save_every: steps between checkpoints, with samples and validation.
        preview_samples: pictures in the sample grid.
        monitor: metric, or its row, to validate by on the validation split, which chooses the best checkpoint; null
            keeps the newest.
        monitor_samples: samples drawn for it.
        patience: validations without gain after which training ends early; null never ends it.
        keep_checkpoints: newest checkpoints kept beside the best.
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
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    compile: Literal["off", "inductor", "aot_eager"] = "off"
    device: str = "auto"
    threads: int = 0
    log_every: int = 50
    save_every: int = 500
    preview_samples: int = 64
    monitor: str | None = None
    monitor_samples: int = 10_000
    patience: int | None = None
    keep_checkpoints: int = 1
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
            "preview_samples",
            "monitor_samples",
            "keep_checkpoints",
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
            self.of_part(part)

    def of_part(self, part: str) -> OptimizerSettings:
        """The settings of one part: its own over the common ones."""
        known = {f.name: getattr(self, f.name) for f in dataclasses.fields(OptimizerSettings)}
        own = self.parts.get(part, {})
        for key in own:
            if key not in known:
                raise ValueError(f"train.parts.{part}.{key} is no setting of a part; {nearest(key, list(known))}")
            hint = typing.get_type_hints(OptimizerSettings)[key]
            if typing.get_origin(hint) is Literal and own[key] not in typing.get_args(hint):
                raise ValueError(f"train.parts.{part}.{key}: {own[key]!r} came; {describe_type(hint)} is expected.")
        return OptimizerSettings(**known | {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})


FeatureName = Literal["auto", "classifier", "inception", "convolutions", "pixels"]


FEATURES = get_args(FeatureName)


LOWEST = {
    "samples": 1, "importance_samples": 1, "annealing_steps": 1, "max_examples": 0, "seed": 0, "seeds": 1,
    "batch_size": 1, "resamples": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """How to evaluate.

    Arguments:
        metrics: names of the metrics, in order.
        split: the split that results speak of, "valid" or "test".
        samples: number of samples drawn from the model.
        importance_samples: importance samples for each example, for bounds.
        annealing_steps: steps of annealing, for normalizers.
        max_examples: limit of examples of the split to evaluate on, evenly spaced; 0 takes all.
        seed: seed of the samples.
        seeds: how many seeds, from `seed` on, are measured and averaged.
        batch_size: examples handed to the model at once.
        features: what pictures are compared by; auto takes classifier where data have labels, else convolutions.
        weights: a safetensors file with the weights of the classifier or of inception; null takes those in the cache.
        resamples: like those of a bootstrap, behind standard errors that have no closed form; 0 leaves those out.
        folds: whether parzen is the mean over the folds of data that have some, as TFD; σ is chosen on each.
        anomaly_data: data, by name or path, of anomalies against held-out data; null shuffles the values of these.
    """

    metrics: tuple[str, ...] = ()
    split: Literal["valid", "test"] = "test"
    samples: int = 10_000
    importance_samples: int = 200
    annealing_steps: int = 1_000
    max_examples: int = 0
    seed: int = 0
    seeds: int = 1
    batch_size: int = 1_000
    features: FeatureName = "auto"
    weights: str | None = None
    resamples: int = 20
    folds: bool = False
    anomaly_data: str | None = None

    def __post_init__(self) -> None:
        for name, low in LOWEST.items():
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= low):
                raise ValueError(
                    f"evaluate.{name}: {getattr(self, name)!r} came; an integer of at least {low} is expected."
                )
        if self.split not in ("valid", "test"):
            raise ValueError(f"evaluate.split: {self.split!r} came; valid or test is expected.")
        if self.features not in FEATURES:
            raise ValueError(f"evaluate.features: {self.features!r} came; one of {', '.join(FEATURES)} is expected.")
        if self.resamples == 1:
            raise ValueError("evaluate.resamples: 1 came; 2 or more are expected to differ, or 0 for none.")


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
        return plain({"recipe": self.recipe, "model": model, **sections})


SECTIONS: Mapping[str, type] = {"data": Data, "train": Train, "evaluate": Evaluation}


def describe_type(hint: Any) -> str:
    """A type in words, such as "an integer or null"."""
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(describe_type(a) for a in arguments)
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f" of {len(arguments)}"
        return f"a list{count} of {describe_type(arguments[0]).split()[-1]}s"
    if origin is dict:
        return "a mapping"
    return names.get(hint, str(hint))


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
