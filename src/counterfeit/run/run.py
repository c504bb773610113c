"""A run: what was trained, opened from its folder; and training, which leaves one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure
from counterfeit.common.numbers import measured
from counterfeit.common.presentation import html, write_report
from counterfeit.common.threads import using
from counterfeit.config.nested import nest
from counterfeit.config.settings import Config, Evaluation
from counterfeit.core import Batch, Completes, Model, Translates, check_request, labels_of, require
from counterfeit.data.conditions import arranged
from counterfeit.data.images import tile
from counterfeit.data.labelled_images import written
from counterfeit.data.sounds import shown
from counterfeit.data.source import Source
from counterfeit.data.sources.arrays import adopt
from counterfeit.data.sources.kept import KEPT
from counterfeit.data.sources.text_lines import Text
from counterfeit.engine import checkpoint
from counterfeit.engine.device import pick_device
from counterfeit.engine.doctor.examiner import Examination, examine
from counterfeit.engine.fit import Summary
from counterfeit.engine.previews import histogram
from counterfeit.evaluation.measure import Results, Tell, UnmeasuredError, applicable, measure
from counterfeit.evaluation.subject import Subject
from counterfeit.inference.ability import Ability, abilities
from counterfeit.inference.completion import complete
from counterfeit.inference.draws import draw, trajectory
from counterfeit.inference.encoding import decode, encode
from counterfeit.inference.sampling import sampling
from counterfeit.inference.scoring import Scored, score
from counterfeit.inference.translation import translate
from counterfeit.inference.upscaling import upscale
from counterfeit.metrics.base import Result
from counterfeit.run import training
from counterfeit.run.folder import RunFolder

__all__ = ["Run", "resume", "start", "train"]


def train(
    recipe: str | Path | type[Model] | Mapping[str, Any] | Recipe = "gan",
    data: Any = None,
    out: str | Path | None = None,
    steps: int | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    show: bool = True,
) -> Run:
    """Train a recipe into a new run folder.

    Arguments:
        recipe: name of a recipe; path of a YAML file, or what it would hold; or a class of models of your own.
        data: in place of the recipe's: a source or its name, the path of pictures, videos, sounds or arrays, an array,
            a tensor, a pair of examples and labels, or a torch `Dataset`. What has no name or path is kept in the run
            folder.
        out: the run folder; `runs/<recipe>-<time>` where None.
        steps: training steps, in place of the recipe's.
        seed: in place of the recipe's.
        settings: any settings over the recipe's, nested as in a recipe or with dotted keys.
        show: show progress on a terminal.

    Raises:
        ValueError: for a setting, data or folder that cannot be used, in one line.

    Example:
        >>> run = train("gan", steps=2, out=getfixture("tmp_path") / "run", show=False)
        >>> run.sample(3).shape
        torch.Size([3, 1, 8, 8])
    """
    named = data is None or isinstance(data, (str, Path))
    name = data if data is None else str(data) if named else KEPT
    given = {"data.name": name, "train.steps": steps, "train.seed": seed}
    shorthand = nest({key: value for key, value in given.items() if value is not None})
    chosen = catalogue.recipe(recipe)
    config = configure(chosen, nest(settings or {}), shorthand)
    adopted = None if named else adopt(data, config.data.size, config.data.span)
    return start(chosen, config, Path(out).expanduser() if out else None, show, adopted)[0]


def start(
    chosen: Recipe, config: Config, out: Path | None, show: bool = True, adopted: Source | None = None
) -> tuple[Run, Summary]:
    """Train by resolved settings, on `adopted` where that was handed over: a run in a new folder, and a summary."""
    folder, source, summary = training.begin(chosen, config, out, show, adopted)
    run = Run(folder.path)
    run.source = source  # decoded once for training and evaluation
    return run, summary


def resume(
    run: str | Path, settings: Mapping[str, Any] | None = None, show: bool = True, anew: bool = False
) -> Run:  # fmt: skip
    """Go on with the run in a folder from its newest checkpoint, as if it had never stopped.

    Arguments:
        run: the run folder.
        settings: training settings to change, nested or dotted, for example {"train.steps": 10_000}.
        show: show progress on a terminal.
        anew: train from the start a run that was stopped before its first checkpoint.
    """
    return Run(run).resume(settings, show, anew)


class Run(RunFolder):
    """A run folder: its settings, model, data, samples, events and evaluation.

    Arguments:
        path: the run folder.
        checkpoint: "best" by validation (the newest where none was validated), "newest", or a step.
        device: where the model is put.
        model: the class of the model, or `module:Class`, where it is one of your own; a folder alone never runs code.

    Raises:
        ValueError: where `path` is no run folder or the checkpoint does not exist.
    """

    def __init__(
        self, path: str | Path, checkpoint: str | int = "best", device: str = "auto",
        model: type[Model] | str | None = None,
    ) -> None:  # fmt: skip
        if model is not None:
            catalogue.own(model)
        super().__init__(path)
        self.which, self.device = checkpoint, pick_device(device)

    def __repr__(self) -> str:
        found = checkpoint.checkpoints(self.path)
        step = self.state["step"] if found else 0
        at = f"step {step:,} of {max(step, self.config.train.steps):,}" if found else "no checkpoint yet"
        said = f"Run({str(self.path)!r}): {self.config.model} on {self.config.data.name}, {at}"
        rows = [f"{name} {measured(Result.from_dict(entry).estimate)}" for name, entry in self.evaluation.items()]
        return "; ".join([said, *rows[:3]])

    def _repr_html_(self) -> str:
        return html(self)

    @cached_property
    def source(self) -> Source:
        """What it was trained on."""
        return catalogue.source(self.config.data, self.path)

    @cached_property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint in use."""
        if self.which in {"best", "newest"}:
            return getattr(checkpoint, str(self.which))(self.path)
        if not str(self.which).isdecimal():
            raise ValueError(f"checkpoint {self.which!r} came; best, newest or a step is expected.")
        path = self.path / "checkpoints" / f"step-{int(self.which):08d}"
        if not path.is_dir():
            found = ", ".join(str(int(p.name[5:])) for p in checkpoint.checkpoints(self.path)) or "none"
            raise ValueError(
                f"{self.path} holds no checkpoint of step {int(self.which)}; it has {found}. Choose one of them."
            )
        return path

    @cached_property
    def model(self) -> Model:
        """The trained model, in evaluation mode."""
        model, weights = catalogue.build(self.config, self.source, self.device), self._weights()
        checkpoint.fill(model, weights, self.checkpoint)
        return model.eval()

    def _weights(self) -> dict[str, Tensor]:
        """Of the checkpoint in use; of the next where a trainer takes it away meanwhile."""
        while True:
            try:
                return checkpoint.read_weights(self.checkpoint)
            except checkpoint.DamagedError:
                if self.which not in {"best", "newest"} or self.checkpoint.exists():
                    raise
                del self.checkpoint

    @property
    def subject(self) -> Subject:
        """The run as what is evaluated."""
        return Subject(self.name, self.model, self.source, self.config.evaluate, run=self)

    def sample(
        self, n: int, seed: int = 0, y: Any = None, mean: bool = False, show: bool = False, **options: Any
    ) -> Tensor:  # fmt: skip
        """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU.

        Arguments:
            n: how many.
            seed: the same seed gives the same samples.
            y: for a model that takes labels or captions: a class by name or number, or a caption, for all samples, or
                one each in a list, an array or a tensor; as frequent as in the data where None.
            mean: decoded means in place of draws, where the model decodes codes and no labels are asked for.
            show: tell by a bar how far a draw in steps has come.
            options: sampler, sampling_steps and guidance, where the model has them, for this draw.
        """
        with using(self.threads), sampling(self.model, options):
            return draw(self, n, seed, y, mean, show)

    def trajectory(self, n: int, seed: int = 0, y: Any = None, **options: Any) -> Tensor:
        """What `n` samples are after every step of their draw, (n, steps, *shape); arguments as for `sample`."""
        with using(self.threads), sampling(self.model, options):
            return trajectory(self, n, seed, y)

    def grid(self, n: int = 64, seed: int = 0, y: Any = None) -> Image.Image:
        """`n` samples as one picture: a grid of images or waveforms, a histogram of points, or lines of text.

        Arguments:
            n: how many.
            seed: the same seed gives the same samples.
            y: as for `sample`; a model that takes labels shows a row of each where None.

        Raises:
            ValueError: the samples are neither images, points nor sounds.
        """
        if y is None and labels_of(self.model):
            rows = arranged(n, labels_of(self.model))
            x = self.sample(rows.numel(), seed, rows.flatten())
            return Image.fromarray(tile(shown(x, self.source.raw.rate), rows.shape[1]))
        x = self.sample(n, seed, y, mean=True)
        if isinstance(self.source.raw, Text):
            return Image.fromarray(written(self.source.raw.decode(x), "#000000", "#ffffff"))
        points = x.ndim == 2 and x.shape[1] <= 2
        return Image.fromarray(histogram(x) if points else tile(shown(x, self.source.raw.rate)))

    def encode(self, x: Any, seed: int = 0) -> Tensor:
        """The codes of examples `x`, as the model sees them, (N, *shape): (N, latent), on the CPU."""
        x = self._examples(x)
        with using(self.threads):
            return encode(self.model, x, seed=seed).cpu()

    def decode(self, z: Any, seed: int = 0) -> Tensor:
        """What codes `z`, (N, latent), stand for, in the data's natural unit, (N, *shape), on the CPU."""
        z = _tensor("z", z)
        with using(self.threads):
            return self._natural(decode(self.model, z, seed=seed))

    def reconstruct(self, x: Any, seed: int = 0) -> Tensor:
        """What the codes of `x`, (N, *shape) as the model sees them, decode to, in the data's natural unit."""
        return self.decode(self.encode(x, seed), seed)

    def complete(self, x: Any, mask: Any, n: int = 1, seed: int = 0) -> Tensor:
        """Draw `n` completions of each of `x` in the data's natural unit, (N, n, *shape), on the CPU.

        Arguments:
            x: examples as the model sees them, (N, *shape); their values where they are missing do not matter.
            mask: 1 where `x` is known and 0 where it is missing, (N, *shape), or (*shape) for all alike.
            n: how many of each.
            seed: the same seed gives the same completions.
        """
        require(self.model, Completes)
        check_request(n)
        x, mask = self._examples(x, values=False), _tensor("mask", mask)
        mask = mask.expand_as(x) if mask.shape == x.shape[1:] else mask
        with using(self.threads):
            y = complete(self.model, x, mask, n, seed=seed).transpose(0, 1)
        return self._natural(y.flatten(0, 1)).unflatten(0, (len(x), n))

    def translate(self, x: Any, to: int | str, seed: int = 0) -> Tensor:
        """The examples `x` in another domain, in the data's natural unit, (N, *shape), on the CPU.

        Arguments:
            x: examples as the model sees them, (N, *shape).
            to: the domain to go to, by name or label.
            seed: of the draws of a model that draws.
        """
        require(self.model, Translates)
        x, label = self._examples(x), self.source.label(str(to))
        with using(self.threads):
            return self._natural(translate(self.model, x, torch.full((len(x),), label), seed=seed))

    def scores(self, x: Any, y: Any = None, by: str | None = None, seed: int = 0) -> Scored:
        """How usual each of the examples `x`, (N, *shape) as the model sees them, is to it; see `Scored`.

        Arguments:
            x: the examples.
            y: their labels, (N,), for the score of a discriminator that asks for them.
            by: log-density, elbo, energy, reconstruction or discriminator; the best justified of these where None.
            seed: of whatever the score draws.
        """
        batch = Batch(self._examples(x), None if y is None else _tensor("y", y))
        with using(self.threads):
            return score(self.model, self.source, batch, by, seed=seed)

    def upscale(self, x: Any, seed: int = 0) -> Tensor:
        """The pictures `x`, (N, C, H, W) of any size, in more pixels, (N, C, factor H, factor W), on the CPU.

        Arguments:
            x: pictures as the model sees them.
            seed: of the draws of a model that draws.
        """
        x = _tensor("x", x)
        with using(self.threads):
            return self._natural(upscale(self.model, x, seed=seed))

    def __getattr__(self, name: str) -> Callable[..., Tensor]:
        """Whatever else models can be asked for: any `Ability`, by its name, as (x, *more, seed=0)."""
        ability = next((one for one in abilities() if one.name == name), None)
        if ability is None:
            raise AttributeError(f"a run has no {name!r}")
        return partial(self._ask, ability)

    def _ask(self, ability: Ability, x: Any, *more: Any, seed: int = 0) -> Tensor:
        """What the model answers to examples, as it sees them, in the data's natural unit, on the CPU."""
        require(self.model, ability.needs)
        with using(self.threads):
            return self._natural(ability.ask(self.model, _tensor("x", x), *more, seed=seed))

    def _natural(self, x: Tensor) -> Tensor:
        """In the data's natural unit, on the CPU."""
        return self.source.natural(x).cpu()

    def _examples(self, x: Any, values: bool = True) -> Tensor:
        x = _tensor("x", x)
        self.source.spec.check(x, self.name, values)
        return x

    def report(self) -> Path:
        """Write report.html, one page that needs no other file, and its figures; the page's path."""
        with using(self.threads):
            return write_report(self)

    def evaluate(self, *metrics: str, tell: Tell | None = None, **options: Any) -> Results:
        """Measure, remember in evaluation.json and return metric -> result.

        A metric that cannot be measured does not keep others from it: why is in `skipped` of what is returned.

        Arguments:
            metrics: names, or "all" for those that apply; the recipe's own where none are given.
            tell: told of each metric before it is asked.
            options: any field of `Evaluation`, such as split="valid" or samples=1000.

        Raises:
            ValueError: where nothing could be measured.
        """
        settings, _ = self.settings(**options), self.entries()  # refused now, if it is damaged
        # a recipe's metrics speak of its own data; on pictures without labels, those that ask for labels stay away
        names = metrics or applicable(self, settings.metrics) or ("all",)
        try:
            with using(self.threads):
                results = measure(self, names, settings, tell)
        except UnmeasuredError as error:
            self.remember(Results({}, error.skipped), self.checkpoint.name, settings)
            raise
        self.remember(results, self.checkpoint.name, settings)
        return results

    def settings(self, **options: Any) -> Evaluation:
        """How to evaluate: as the recipe says, with `options` over it."""
        return dataclasses.replace(self.config.evaluate, **options)

    def applicable(self) -> list[str]:
        """Names of the metrics that this model has the capability for, and these data what they need."""
        return applicable(self)

    def examine(self) -> Examination:
        """What the training doctor finds at the checkpoint in use."""
        model = catalogue.build(self.config, self.source, self.device)
        with using(self.threads):
            return examine(self.checkpoint, self.events, model, self.source, self.config.train)

    def resume(self, settings: Mapping[str, Any] | None = None, show: bool = True, anew: bool = False) -> Run:
        """Go on from the newest checkpoint, with training settings changed where given; from the start where `anew`."""
        return self.proceed(settings, show, anew)[0]

    def proceed(
        self, settings: Mapping[str, Any] | None = None, show: bool = True, anew: bool = False
    ) -> tuple[Run, Summary]:
        """As `resume`, with a summary of the training since."""
        source, summary = training.proceed(self.path, nest(settings or {}), show, anew)
        resumed = Run(self.path, self.which)
        resumed.source = source
        return resumed, summary


def _tensor(name: str, value: Any) -> Tensor:
    """A tensor of what was handed over: float32 where it was an array or a list of floats.

    Raises:
        ValueError: it holds no numbers.
    """
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
        return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` is {type(value).__name__}; a tensor or an array is expected. Convert it.") from None
