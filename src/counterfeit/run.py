"""Run folders: everything that happens after training starts from one.

runs/<recipe>-<time>/
    run.yaml          every resolved setting, versions, data fingerprint: enough to train it again
    events.jsonl      one line a log step
    checkpoints/      newest and best
    samples/*.png     the same noise at every save
    evaluation.json   metric -> value, standard error, n, protocol
    report.html       one self-contained page
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import counterfeit
from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure
from counterfeit.config import Config, Data, Train, dump, nearest, nest
from counterfeit.core import (
    Completes,
    Decodes,
    Encodes,
    Enlarges,
    Model,
    Translates,
    check_request,
    labels_of,
    require,
)  # fmt: skip
from counterfeit.data import forms, schema
from counterfeit.data.arrays import adopt
from counterfeit.data.cache import atomic
from counterfeit.data.conditions import arranged
from counterfeit.data.images import tile
from counterfeit.data.kept import KEPT, keep, kept_name
from counterfeit.data.progress import console
from counterfeit.data.source import Source
from counterfeit.data.stream import mix
from counterfeit.data.strict import dumps
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes, processes
from counterfeit.engine.doctor import Examination, examine
from counterfeit.engine.events import read_events
from counterfeit.engine.fit import LateError, Summary, Validate, fit
from counterfeit.engine.lock import locked
from counterfeit.engine.pictures import histogram
from counterfeit.engine.work import work
from counterfeit.evaluation import Results, Tell, UnmeasuredError, applicable, draw, measure, metric_of, refusal
from counterfeit.metrics.completion import completed
from counterfeit.metrics.metric import Evaluation, Metric, Result
from counterfeit.metrics.numbers import measured
from counterfeit.metrics.provided import Provided, html
from counterfeit.metrics.sampling import evaluating
from counterfeit.metrics.statistics import seeded
from counterfeit.metrics.threads import available, using

__all__ = ["Run", "other_runs", "resume", "train"]

CPU = torch.device("cpu")


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
        data: in place of the recipe's: a source or its name, the path of pictures, films or arrays, an array, a tensor,
            a pair of examples and labels, or a torch `Dataset`. What has no name or path is kept in the run folder.
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
    """Train by resolved settings, on `adopted` where that was handed over, into a new run folder."""
    device = pick_device(config.train.device)
    if config.data.name == KEPT and chosen.beside:
        adopted = catalogue.source(Data(KEPT), chosen.beside)
    source = catalogue.source(config.data, adopted=adopted)
    model = build(config, source, device)
    group = processes()
    _check(config, model, source, group)
    if chosen.fingerprint and config.data == configure(chosen).data:
        _same_data(chosen.fingerprint, source)
    threads, why = _threads(config.train, model, source)
    description = config.to_dict() | describe(chosen, source, model) | {"threads": threads}
    folder = _create(out, config.recipe, group)
    with locked(folder, group):
        if group.leads:
            write_yaml(folder / "run.yaml", description)
            if adopted:
                keep(adopted, folder / kept_name())
            if source.warning and show:
                console().print(f"{source.name}: {source.warning}", markup=False, highlight=False)
        group.wait()
        run = Run(folder)
        run.source = source  # decoded once for training and evaluation
        try:
            summary = run._fit(model, source, config.train, group, resume=False, show=show)
            _tell(why, show and group.leads)
            return run, summary
        except LateError:
            raise
        except ValueError:  # refused before anything was learnt: leave the place free for the corrected command
            if group.leads and not checkpoint.checkpoints(folder):
                shutil.rmtree(folder, ignore_errors=True)
            raise


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


writer: Provided[[Run], Path] = Provided("write a report", "report.page")


class Run:
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
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"{type(path).__name__} came; the path of a run folder is expected. Name one.")
        self.path, self.which, self.device = Path(path).expanduser(), checkpoint, pick_device(device)
        if model is not None:
            catalogue.own(model)
        file = self.path / "run.yaml"
        if not file.is_file():
            raise ValueError(f"{path} is no run folder: it holds no run.yaml. {other_runs(self.path)}")
        try:
            self.description = schema.parse_yaml(schema.read_text(file), forms.RUN)
        except schema.MisfitError as error:
            raise ValueError(f"{file} is damaged: {error}. Restore it, or train again.") from None
        self.config = self._configure({})

    def __repr__(self) -> str:
        found = checkpoint.checkpoints(self.path)
        step = self.state["step"] if found else 0
        at = f"step {step:,} of {max(step, self.config.train.steps):,}" if found else "no checkpoint yet"
        said = f"Run({str(self.path)!r}): {self.config.model} on {self.config.data.name}, {at}"
        rows = [f"{name} {measured(entry)}" for name, entry in self.evaluation.items()]
        return "; ".join([said, *rows[:3]])

    def _repr_html_(self) -> str:
        return html(self)

    def _configure(self, changes: Mapping[str, Any]) -> Config:
        settings = {str(k): self.description[k] for k in catalogue.SETTINGS if k in self.description}
        return configure(Recipe(self.description.get("recipe", self.path.name), "", settings), changes)

    @property
    def threads(self) -> int | None:
        """CPU threads that it was trained with, which sampling and evaluation take too; None for PyTorch's number."""
        return self.config.train.threads or self.description.get("threads")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

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
        model, weights = build(self.config, self.source, self.device), self._weights()
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
    def events(self) -> list[dict[str, Any]]:
        """What was logged, oldest first."""
        return read_events(self.path)

    @property
    def state(self) -> dict[str, Any]:
        """Step, seconds and CPU seconds of the newest checkpoint."""
        return checkpoint.read_state(checkpoint.newest(self.path))

    @property
    def evaluation(self) -> dict[str, Any]:
        """Metric -> value, error, n, protocol, of what was evaluated so far."""
        return {name: entry for name, entry in self._evaluated().items() if "skipped" not in entry}

    @property
    def skipped(self) -> dict[str, str]:
        """Metric -> why it gave no number, of those that were asked and never gave one."""
        return {name: entry["skipped"] for name, entry in self._evaluated().items() if "skipped" in entry}

    def _evaluated(self) -> dict[str, Any]:
        """What evaluation.json holds: metric -> its result, or why there is none."""
        file = self.path / "evaluation.json"
        try:
            return dict(schema.read_json(file, forms.RESULTS)) if file.is_file() else {}
        except schema.MisfitError as error:
            raise ValueError(f"{file} is damaged: {error}. Remove it and evaluate again.") from None

    def sample(self, n: int, seed: int = 0, y: Any = None, mean: bool = False) -> Tensor:
        """Draw `n` examples in the data's natural unit, (n, *shape), on the CPU.

        Arguments:
            n: how many.
            seed: the same seed gives the same samples.
            y: for a model that takes labels or captions: a class by name or number, or a caption, for all samples, or
                one each in a list, an array or a tensor; as frequent as in the data where None.
            mean: decoded means in place of draws, where the model decodes codes and no labels are asked for.
        """
        with using(self.threads):
            return draw(self, n, seed, y, mean)

    def grid(self, n: int = 64, seed: int = 0, y: Any = None) -> Image.Image:
        """`n` samples as one picture: a grid of images, or a histogram of points.

        Arguments:
            n: how many.
            seed: the same seed gives the same samples.
            y: as for `sample`; a model that takes labels shows a row of each where None.

        Raises:
            ValueError: the samples are neither images nor points.
        """
        if y is None and labels_of(self.model):
            rows = arranged(n, labels_of(self.model))
            return Image.fromarray(tile(self.sample(rows.numel(), seed, rows.flatten()), rows.shape[1]))
        x = self.sample(n, seed, y, mean=True)
        return Image.fromarray(histogram(x) if x.ndim == 2 and x.shape[1] <= 2 else tile(x))

    def encode(self, x: Any, seed: int = 0) -> Tensor:
        """The codes of examples `x`, as the model sees them, (N, *shape): (N, latent), on the CPU."""
        model, x = require(self.model, Encodes), self._examples(x)
        with using(self.threads), evaluating(self.model, seed):
            return torch.cat([model.encode(part.to(self.model.device)).cpu() for part in x.split(1_000)])

    def decode(self, z: Any, seed: int = 0) -> Tensor:
        """What codes `z`, (N, latent), stand for, in the data's natural unit, (N, *shape), on the CPU."""
        model, z = require(self.model, Decodes), _tensor("z", z)
        with using(self.threads), evaluating(self.model, seed):
            parts = [model.decode(part.to(self.model.device)) for part in z.split(1_000)]
            return self.source.natural(torch.cat(parts)).cpu()

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
            y = completed(self.model, x, mask, n, 1_000, seed).transpose(0, 1)
        return self.source.natural(y.flatten(0, 1)).cpu().unflatten(0, (len(x), n))

    def translate(self, x: Any, to: int | str, seed: int = 0) -> Tensor:
        """The examples `x` in another domain, in the data's natural unit, (N, *shape), on the CPU.

        Arguments:
            x: examples as the model sees them, (N, *shape).
            to: the domain to go to, by name or label.
            seed: of the draws of a model that draws.
        """
        model, x = require(self.model, Translates), self._examples(x).to(self.model.device)
        label = self.source.label(str(to))
        with using(self.threads), evaluating(self.model, seed):
            parts = [model.translate(some, torch.full((len(some),), label).to(x.device)) for some in x.split(1_000)]
            return self.source.natural(torch.cat(parts)).cpu()

    def enlarge(self, x: Any, seed: int = 0) -> Tensor:
        """The pictures `x`, (N, C, H, W) of any size, in more pixels, (N, C, factor H, factor W), on the CPU.

        Arguments:
            x: pictures as the model sees them.
            seed: of the draws of a model that draws.
        """
        model, x = require(self.model, Enlarges), _tensor("x", x)
        with using(self.threads), evaluating(self.model, seed):
            return self.source.natural(model.enlarge(x.to(self.model.device))).cpu()

    def _examples(self, x: Any, values: bool = True) -> Tensor:
        x = _tensor("x", x)
        self.source.spec.check(x, self.name, values)
        return x

    def report(self) -> Path:
        """Write report.html, one page that needs no other file, and its figures; the page's path."""
        with using(self.threads):
            return writer(self)

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
        settings, _ = self.settings(**options), self._evaluated()  # refused now, if it is damaged
        # a recipe's metrics speak of its own data; on pictures without labels, those that ask for labels stay away
        names = metrics or applicable(self, settings.metrics) or ("all",)
        try:
            with using(self.threads):
                results = measure(self, names, settings, tell)
        except UnmeasuredError as error:
            self._remember(Results({}, error.skipped), settings)
            raise
        self._remember(results, settings)
        return results

    def _remember(self, results: Results, settings: Evaluation) -> None:
        """Keep in evaluation.json what was measured, and why the rest was not."""
        stamp = {"checkpoint": self.checkpoint.name, "settings": _asked(settings)}
        # read again: another evaluation of the run may have ended in the meantime
        write_json(self.path / "evaluation.json", _merged(self._evaluated(), results, stamp))

    def settings(self, **options: Any) -> Evaluation:
        """How to evaluate: as the recipe says, with `options` over it."""
        return dataclasses.replace(self.config.evaluate, **options)

    def applicable(self) -> list[str]:
        """Names of the metrics that this model has the capability for, and these data what they need."""
        return applicable(self)

    def examine(self) -> Examination:
        """What the training doctor finds at the checkpoint in use."""
        model = build(self.config, self.source, self.device)
        with using(self.threads):
            return examine(self.checkpoint, self.events, model, self.source, self.config.train)

    def resume(self, settings: Mapping[str, Any] | None = None, show: bool = True, anew: bool = False) -> Run:
        """Go on from the newest checkpoint, with training settings changed where given; from the start where `anew`."""
        return self.proceed(settings, show, anew)[0]

    def proceed(
        self, settings: Mapping[str, Any] | None = None, show: bool = True, anew: bool = False
    ) -> tuple[Run, Summary]:
        """As `resume`, with a summary of the training since."""
        changes = nest(settings or {})
        if "model" in changes:
            raise ValueError(f"model settings came; {self.path} keeps its model. Train a new run for them.")
        group = processes()
        with locked(self.path, group):
            held = Run(self.path)  # as the last trainer left it
            held._check_start(anew)
            summary = held._go_on(changes, group, show)
        resumed = Run(self.path, self.which)
        resumed.source = held.source
        return resumed, summary

    def _check_start(self, anew: bool) -> None:
        """Refuse to start from nothing unasked, and to lose checkpoints."""
        if not anew:
            checkpoint.newest(self.path)
        elif checkpoint.checkpoints(self.path):
            raise ValueError(
                f"--anew came; {self.path} stands at step {self.state['step']}, which would be lost. Leave it out to "
                f"go on, or train the same into a new folder: counterfeit train {self.path / 'run.yaml'}"
            )

    def _go_on(self, changes: Mapping[str, Any], group: Processes, show: bool) -> Summary:
        self.config = self._configure(changes)
        self.source = source = catalogue.source(self.config.data, self.path)
        _same_data(self.description.get("source", {}).get("fingerprint"), source)
        model = build(self.config, source, pick_device(self.config.train.device))
        _check(self.config, model, source, group)
        if checkpoint.checkpoints(self.path) and self.state["step"] > self.config.train.steps:
            raise ValueError(
                f"train.steps: {self.config.train.steps} came; {self.path} stands at step {self.state['step']}. "
                "Raise it."
            )
        why = ""
        if not self.threads:  # of a run that an earlier version trained
            self.description["threads"], why = _threads(self.config.train, model, source)
        if changes and group.leads:  # only now that nothing was refused
            write_yaml(self.path / "run.yaml", self.description | self.config.to_dict())
        summary = self._fit(model, source, self.config.train, group, resume=True, show=show)
        _tell(why, show and group.leads)
        return summary

    def _fit(
        self, model: Model, source: Source, settings: Train, group: Processes, resume: bool, show: bool
    ) -> Summary:
        with using(self.threads):
            validate = _validator(self.config, source)
            return fit(self.path, model, source, settings, validate, group, resume, show, self.config.to_dict())


def build(config: Config, source: Source, device: torch.device) -> Model:
    """The model of the settings for that source, with initial weights by the seed."""
    with seeded(mix(config.train.seed, 0x5EED)), _small_enough():
        model = catalogue.model_class(config.model)(source.spec, **config.arguments)
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


def _threads(train: Train, model: Model, source: Source) -> tuple[int | None, str]:
    """CPU threads to train with, and why: as the settings say, else as the work of a step is worth; None on a GPU."""
    if train.threads or model.device.type != "cpu":
        return train.threads or None, ""
    if available() == 1:
        return 1, ""
    needed = work(model, source, train)
    why = f"threads: {needed.threads} of {available()}, for steps of {needed}; --train.threads sets another number"
    return needed.threads, why


def _tell(why: str, show: bool) -> None:
    """Say what was chosen, once training has ended: what is refused, or fails, is one line."""
    if why and show:
        print(why, file=sys.stderr)


def other_runs(path: Path) -> str:
    """What to do where `path` is no run folder: the run with the nearest name, where there are some beside it."""
    beside = {file.parent.name for place in (path.parent, Path("runs")) for file in place.glob("*/run.yaml")}
    if not beside:
        return "Give a folder that `counterfeit train` made."
    return f"Give a folder that `counterfeit train` made; {nearest(path.name, sorted(beside), 'counterfeit list runs')}"


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


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one."""
    if name == "auto":  # under torchrun, each process takes the GPU of its rank
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if torch.cuda.is_available() else CPU
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"device {name!r} is not usable here. Use auto or cpu; `counterfeit doctor` lists devices."
        ) from None
    return device


def default_folder(recipe: str) -> Path:
    """`runs/<recipe>-<time>`, or the first free name after it."""
    stem = Path("runs") / f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}"
    candidates = (stem, *(stem.with_name(f"{stem.name}-{i}") for i in range(2, 1_000)))
    return next(path for path in candidates if not path.exists())


def _create(out: Path | None, recipe: str, group: Processes) -> Path:
    """A new folder at `out`, or by the recipe's name and the time."""
    if not group.leads:
        return Path(group.agree(""))
    folder = out or default_folder(recipe)
    while not _made(folder):
        if out:
            raise ValueError(f"{out} already holds something; a new folder is expected. Choose another, or resume it.")
        folder = default_folder(recipe)  # another process took that name a moment ago
    return Path(group.agree(str(folder)))


def _made(folder: Path) -> bool:
    """Make a folder for a run unless it holds something; of two processes that try at once, one does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            return False
        (folder / "checkpoints").mkdir()
        return True
    except FileExistsError:
        return False
    except OSError as error:
        reason = f"{folder} cannot be created ({error.strerror})"
        raise ValueError(f"{reason}; a place to write is expected. Choose another --out.") from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    _replace(path, dumps(content, indent=1) + "\n")


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write YAML whole or not at all."""
    _replace(path, dump(content))


def _replace(path: Path, text: str) -> None:
    try:
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(f"{path} could not be written ({error.strerror}). Make room, or make it writable.") from None


def describe(recipe: Recipe, source: Source, model: Model) -> dict[str, Any]:
    """What `run.yaml` holds beside the settings: goals, sizes, versions, data fingerprint."""
    return {
        "summary": recipe.summary,
        "reach": [dict(goal) for goal in recipe.reach],
        "parameters": {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()},
        "source": {"name": source.name, "fingerprint": source.fingerprint, "sizes": dict(source.sizes)}
        | ({"range": list(source.span)} if source.span else {}),
        "versions": versions(),
        "device": str(model.device),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Versions that a run depends on."""
    return {
        "counterfeit": counterfeit.__version__, "torch": str(torch.__version__), "python": platform.python_version(),
    }  # fmt: skip


def _check(config: Config, model: Model, source: Source, group: Processes) -> None:
    if config.train.batch_size % (group.world * config.train.micro_batches):
        raise ValueError(
            f"train.batch_size: {config.train.batch_size} came; a multiple of {group.world} processes times "
            f"{config.train.micro_batches} micro-batches is expected."
        )
    pieces = group.world * config.train.micro_batches
    if pieces > 1 and model.undivided:
        raise ValueError(
            f"train.micro_batches: {pieces} pieces of a minibatch, over all processes, came; {config.model} expects 1, "
            f"for what it descends by {', '.join(model.undivided)} is of a whole one. Lower train.batch_size instead."
        )
    for part in config.train.parts:
        if part not in dict(model.named_modules()):
            known = ", ".join(name for name, _ in model.named_children())
            raise ValueError(f"train.parts.{part}: the model has no such part; it has {known}.")
    if config.train.patience and not config.train.validate:
        raise ValueError("train.patience came without train.validate, which says what to gain in. Name a metric there.")
    if config.train.validate:
        metric = _validated(config.train.validate)
        why = refusal(metric, model, source, config.model) if metric.better else "neither direction of it is better."
        if metric.rows and config.train.validate not in metric.rows:
            why = f"it gives {', '.join(metric.rows)}; one of them is expected."
        if why:
            said = f"train.validate: {metric.name} cannot choose among checkpoints of {config.model}"
            raise ValueError(f"{said}: {why} Leave it out.")
    for name in config.evaluate.metrics:
        catalogue.metric(name)


def _validated(name: str) -> Metric:
    """The metric that a checkpoint is chosen by, or whose row of that name it is chosen by."""
    return metric_of(name) or catalogue.metric(name)


def _validator(config: Config, source: Source) -> Validate | None:
    if config.train.validate is None:
        return None
    name, metric = config.train.validate, _validated(config.train.validate)
    samples = config.train.validate_samples
    evaluation: Evaluation = dataclasses.replace(config.evaluate, split="valid", samples=samples)
    sign = -1.0 if metric.better == "lower" else 1.0

    def validate(model: Model) -> tuple[float, float]:
        answer = metric.compute(model, source, evaluation)
        found = answer if isinstance(answer, Result) else answer[name]
        if isinstance(found, str):
            raise ValueError(found)
        value = found.value
        return value, sign * value

    return validate


def _merged(kept: Mapping[str, Any], results: Results, stamp: Mapping[str, Any]) -> dict[str, Any]:
    """What evaluation.json is to hold: numbers are never lost to the reason why there is no new one."""
    entries = {name: {**result.to_dict(), **stamp} for name, result in results.items()}
    numbers = {name: entry for name, entry in kept.items() if "skipped" not in entry} | entries
    reasons = {name: entry for name, entry in kept.items() if "skipped" in entry}
    reasons |= {name: {"skipped": why, **stamp} for name, why in results.skipped.items()}
    measured = {metric.name for row in numbers if (metric := metric_of(row))}
    return numbers | {name: entry for name, entry in reasons.items() if name not in measured}


def _asked(settings: Evaluation) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(settings).items() if name != "metrics"}


def _same_data(trained_on: str | None, source: Source) -> None:
    if trained_on and trained_on != source.fingerprint:
        raise ValueError(
            f"{source.name} has fingerprint {source.fingerprint}; the run was trained on {trained_on}. "
            "Restore the data, or train anew."
        )
