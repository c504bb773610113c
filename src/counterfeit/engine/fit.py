"""Training from a source to a run folder: the loop around the step, with checkpoints, events, samples and signals."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from counterfeit.config import Train
from counterfeit.core import Clock, Initializes, Model, Net, Samples
from counterfeit.data.images import save_png
from counterfeit.data.source import Examples, Source
from counterfeit.data.stream import Stream
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.events import Events, Meter, Progress
from counterfeit.engine.pictures import picture
from counterfeit.engine.step import Stepper
from counterfeit.metrics.statistics import seeded

__all__ = ["DivergedError", "Interrupted", "Summary", "fit"]

ALONE = Processes()
Validate = Callable[[Model], tuple[float, float]]


class DivergedError(RuntimeError):
    """A loss or weight that is not finite."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal after a checkpoint was saved."""

    def __init__(self, number: int, run: Path, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}; the checkpoint is saved.")
        self.status, self.run = 128 + number, run


@dataclass(frozen=True)
class Summary:
    """What training took: steps done and, over all sittings, seconds and CPU seconds."""

    steps: int
    seconds: float
    cpu_seconds: float
    images_per_second: float


class Fit:
    """One sitting of training.

    Arguments:
        run: the run folder.
        model: on its device.
        source: what to train on.
        train: how.
        validate: a model's value on the validation split and its score, higher being better; None for none.
        processes: those that share the work.
        resume: go on from the newest checkpoint; from the start where a kill came before the first.
        show: show progress on a terminal.
    """

    def __init__(
        self, run: Path, model: Model, source: Source, train: Train, validate: Validate | None,
        processes: Processes, resume: bool, show: bool,
    ) -> None:  # fmt: skip
        self.run, self.model, self.source, self.train = run, model, source, train
        self.validate, self.processes = validate, processes
        self.stepper, self.meter, self.signals = Stepper(model, train, processes), Meter(), Signals()
        self.state: dict[str, Any] = {
            "step": 0, "position": 0, "seconds": 0.0, "cpu_seconds": 0.0, "meter": self.meter.state()
        }  # fmt: skip
        examples = resident(source.split("train"), model.device)
        if resume and checkpoint.checkpoints(run):
            self.state |= checkpoint.restore(checkpoint.newest(run), self.stepper)
            self.meter.restore(self.state["meter"], model.device)
        elif isinstance(model, Initializes):
            with seeded(train.seed):
                model.initialize(examples.first(_fits(examples)).x)
        mine = processes.share(train.micro_batches)
        slices = processes.world * train.micro_batches
        self.stream = Stream(
            examples, train.batch_size, train.seed, model.device, slices, mine, self.state["position"], train.workers
        )
        self.events = Events(run, self.state["step"], train.tensorboard) if processes.leads else None
        self.progress = Progress(run.name, self.state["step"], train.steps, train.batch_size, show and processes.leads)
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def loop(self) -> Summary:
        """Step until the end, or until a signal or a value that is not finite."""
        train, step = self.train, self.state["step"]
        captures = _compile(self.model, train.compile)
        draws = self.stream.draws()
        if step == 0:
            self._picture(0)
        while step < train.steps:
            self.meter.add(self.stepper.step(draws, Clock(step, train.steps)))
            step += 1
            if captures is not None:
                captures = captures()
            self.progress.tick(step)
            last = step == train.steps
            if step % train.log_every == 0 or last:
                self._log(step)
            stop = self.signals.caught if self.processes.world == 1 else self._agree(step)
            if step % train.save_every == 0 or last or stop:
                self._save(step)
            if stop:
                raise Interrupted(stop, self.run, step)
        return self._summary(step)

    def _agree(self, step: int) -> int:
        """The signal that any process caught; asked for at log intervals only, since asking waits for all."""
        return self.processes.most(self.signals.caught, self.model.device) if step % self.train.log_every == 0 else 0

    def _log(self, step: int) -> None:
        values = self.meter.take()
        for name, value in values.items():
            if not math.isfinite(value):
                raise DivergedError(self._diverged(f"{name} is {value}", step))
        speed = self.progress.update(step, values)
        if self.events:
            self.events.write(step, {**values, "steps_per_second": speed, "seconds": self._elapsed()["seconds"]})

    def _save(self, step: int) -> None:
        for name, value in self.model.named_parameters():
            if not bool(torch.isfinite(value).all()):
                raise DivergedError(self._diverged(f"weight {name} is not finite", step))
        if self.processes.leads:
            self._picture(step)
            score = self._validate(step)
            state = {
                **self._elapsed(), "step": step, "position": self.stream.position, "score": score,
                "meter": self.meter.state(),
                "parts": {name: part.moves for name, part in self.stepper.parts.items()},
            }  # fmt: skip
            checkpoint.save(self.run, self.stepper, state, self.train.keep)
            self.progress.pause()
        self.processes.wait()

    @torch.no_grad()
    def _validate(self, step: int) -> float | None:
        if self.validate is None:
            return None
        value, score = self.validate(self.stepper.average.model().eval())
        if self.events:
            self.events.write(step, {f"valid/{self.train.validate}": value})
        return score if math.isfinite(score) else None

    @torch.no_grad()
    def _picture(self, step: int) -> None:
        """The same noise at every save, so that a person can watch the model learn."""
        model = self.stepper.average.model().eval()
        if self.processes.leads and isinstance(model, Samples):
            with seeded(self.train.seed, model.device):
                image = picture(model, self.source, self.train.samples)
            folder = self.run / "samples"
            folder.mkdir(exist_ok=True)
            save_png(folder / f"step-{step:08d}.png", image)

    def _diverged(self, what: str, step: int) -> str:
        kept = checkpoint.checkpoints(self.run)
        good = f"the last good checkpoint is {kept[-1].name}" if kept else "no checkpoint had been saved"
        return f"training diverged at step {step}: {what}; {good}. Lower train.lr, set train.clip, or use fp32."

    def _elapsed(self) -> dict[str, float]:
        seconds = self.state["seconds"] + time.perf_counter() - self.started
        cpu = self.state["cpu_seconds"] + time.process_time() - self.cpu_started
        return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3)}

    def _summary(self, step: int) -> Summary:
        elapsed = self._elapsed()
        speed = step * self.train.batch_size / max(elapsed["seconds"], 1e-9)
        return Summary(step, elapsed["seconds"], elapsed["cpu_seconds"], round(speed, 1))

    def close(self) -> None:
        """Leave the terminal and files in order."""
        self.progress.close()
        if self.events:
            self.events.close()


def fit(
    run: Path, model: Model, source: Source, train: Train, validate: Validate | None = None,
    processes: Processes = ALONE, resume: bool = False, show: bool = True,
) -> Summary:  # fmt: skip
    """Train `model` on `source` into the run folder `run`, which holds a folder `checkpoints`; see `Fit`.

    Raises:
        Interrupted: on SIGINT or SIGTERM, after saving.
        DivergedError: where a loss or weight is not finite; the last good checkpoint is kept.
    """
    sitting = Fit(run, model, source, train, validate, processes, resume, show)
    try:
        with sitting.signals:
            return sitting.loop()
    finally:
        sitting.close()


def resident(examples: Examples, device: torch.device) -> Examples:
    """Examples moved to the device, on a GPU where they take less than half of its free memory."""
    if device.type != "cuda":
        return examples.to(device)
    free, _ = torch.cuda.mem_get_info(device)
    return examples.to(device) if examples.nbytes < free / 2 else examples


class Signals(contextlib.AbstractContextManager["Signals"]):
    """Remembers SIGINT and SIGTERM, so that the step in hand is finished; a second one stops at once."""

    def __init__(self) -> None:
        self.caught = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self.before = {n: signal.signal(n, self._catch) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _catch(self, number: int, _: FrameType | None) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = number


def _fits(examples: Examples, budget: int = 2**28) -> int:
    """How many examples are handed to `initialize`: all, or what fits a quarter gigabyte in float32."""
    return max(1, min(len(examples), budget // (4 * examples.first(1).x[0].numel())))


def _compile(model: Model, backend: str) -> Callable[[], None] | None:
    """Compile every outermost net in place; returns a check, for after a step, that a graph of each was captured."""
    if backend == "off":
        return None
    missing = dict(enumerate(_outermost(model)))
    for i, net in list(missing.items()):
        net.compile(backend=_noting(backend, partial(missing.pop, i, None)))

    def check() -> None:
        if missing:
            names = ", ".join(type(net).__name__ for net in missing.values())
            raise ValueError(f"train.compile={backend} captured no graph of {names}. Train with train.compile=off.")

    return check


def _noting(backend: str, note: Callable[[], object]) -> Callable[..., Any]:
    """The backend of that name, which first calls `note` whenever a graph was captured."""
    compiler = torch._dynamo.lookup_backend(backend)

    def compile_graph(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        note()
        return compiler(graph, inputs)

    return compile_graph


def _outermost(module: torch.nn.Module) -> Iterator[Net]:
    for child in module.children():
        if isinstance(child, Net):
            if not child.twice:
                yield child
        else:
            yield from _outermost(child)
