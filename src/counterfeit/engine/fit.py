"""Training from a source to a run folder: the loop around the step, with checkpoints, events, samples and signals."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Clock, Initializes, Model
from counterfeit.data.images import save_png
from counterfeit.data.loader import Stream
from counterfeit.data.source import Examples, Source
from counterfeit.engine import checkpoint
from counterfeit.engine.compile import compile_nets
from counterfeit.engine.distributed import Processes
from counterfeit.engine.divergence import DivergedError, UnhealthyError, began
from counterfeit.engine.doctor.examiner import Doctor, slowed
from counterfeit.engine.doctor.finding import Finding
from counterfeit.engine.doctor.rules import not_finite
from counterfeit.engine.environment import peak_memory
from counterfeit.engine.events import Events, Meter, Progress, read_events
from counterfeit.engine.previews import picture, pictured
from counterfeit.engine.signals import Signals
from counterfeit.engine.step import Stepper

__all__ = [
    "Display", "Interrupted", "LateError", "Summary", "Trainer", "Validator", "fit",
]  # fmt: skip

ALONE = Processes()
ROLLBACKS = 3  # at most, each with half the learning rate


class Validator(NamedTuple):
    """What chooses among checkpoints.

    Arguments:
        measure: model in evaluation mode -> a number.
        better: which direction of it is better.

    Example:
        >>> Validator(lambda model: 3.0, "lower").score(3.0)
        -3.0
    """

    measure: Callable[[Model], float]
    better: Literal["higher", "lower"]

    def score(self, value: float) -> float:
        """The number, turned so that higher is better."""
        return -value if self.better == "lower" else value


class LateError(ValueError):
    """Bad input that showed after steps were trained, which are worth keeping."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal after a checkpoint was saved."""

    def __init__(self, number: int, run: Path, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}; the checkpoint is saved.")
        self.status, self.run = 128 + number, run


@dataclass(frozen=True)
class Summary:
    """What training took: `trained` steps in this trainer and, over all, steps, seconds and CPU seconds."""

    trained: int
    steps: int
    seconds: float
    cpu_seconds: float
    images_per_second: float


class Display(NamedTuple):
    """What is shown of training: its progress, and beside its events all settings of the run, nested."""

    progress: bool = True
    settings: Mapping[str, Any] = {}


SHOWN = Display()


class Trainer:
    """What trains, from one start to where training ends or is stopped.

    Arguments:
        run: the run folder.
        model: on its device.
        source: what to train on.
        train: how.
        validator: what measures a model on the validation split; None for none.
        processes: those that share the work.
        resume: go on from the newest checkpoint; from the start where there is none.
        display: what is shown of it.
    """

    def __init__(
        self, run: Path, model: Model, source: Source, train: Train, validator: Validator | None,
        processes: Processes, resume: bool, display: Display,
    ) -> None:  # fmt: skip
        self.run, self.model, self.source, self.asked = run, model, source, train
        self.validator, self.processes, self.meter, self.signals = validator, processes, Meter(), Signals()
        self.state: dict[str, Any] = {
            "step": 0, "position": 0, "seconds": 0.0, "cpu_seconds": 0.0, "rollbacks": 0, "meter": self.meter.state(),
            "top": None, "stale": 0,
        }  # fmt: skip
        self.examples, self.trained = resident(source.split("train"), model.device), 0
        found = checkpoint.newest(run) if resume and checkpoint.checkpoints(run) else None
        if found is None and isinstance(model, Initializes):
            with seeded(train.seed, model.device):
                model.initialize(self.examples.first(_fits(self.examples)))
        self.events: Events | None = None
        self._stand(found)
        if self.events:
            self.events.settings(display.settings, train.monitor)
        self.progress = Progress(
            run.name, self.state["step"], train.steps, train.batch_size, display.progress and processes.is_main
        )

    def _stand(self, path: Path | None) -> None:
        """Stand where the checkpoint `path` stands; at the start where None."""
        self.state |= checkpoint.read_state(path) if path else {}
        self.train = train = slowed(self.asked, self.state["rollbacks"])
        self.stepper = Stepper(self.model, train, self.processes)
        if path:
            checkpoint.restore(path, self.stepper)
        self.meter.restore(self.state["meter"], self.model.device)
        slices, mine = self.processes.world * train.micro_batches, self.processes.share(train.micro_batches)
        position, device = self.state["position"], self.model.device
        self.stream = Stream(self.examples, train.batch_size, train.seed, device, slices, mine, position, train.workers)
        self.draws = self.stream.draws()
        if self.processes.is_main:
            if self.events:
                self.events.close()
            self.events = Events(self.run, self.state["step"], train.tensorboard)
            self.doctor = Doctor(self.stepper, self.source, train, read_events(self.run), train.batch_size // slices)
        self.started, self.cpu_started = time.perf_counter(), time.process_time()

    def loop(self) -> Summary:
        """Step until the end, or until a signal, a value that is not finite or a failure that the doctor ends."""
        step, self.captures = self.state["step"], compile_nets(self.model, self.train.compile)
        if step == 0:
            self._picture(0)
            if self.train.doctor == "rollback":  # so that there is something to go back to from the first failure
                self._keep(0, None, healthy=True)
        while step < self.train.steps and not self._tired():
            try:
                self._advance(step + 1)
                step += 1
            except DivergedError as error:
                step = self._roll_back(step + 1, error)
        return self._summary(step)

    def _tired(self) -> bool:
        """Whether validations have brought no gain for as long as was to be waited."""
        return self.train.patience is not None and self.state["stale"] >= self.train.patience

    def _advance(self, step: int) -> None:
        """Train so that `step` steps are done."""
        train = self.train
        self.meter.add(self.stepper.step(self.draws, Clock(step - 1, train.steps)))
        self.trained += 1
        if self.captures is not None:
            self.captures = self.captures()
        self.progress.tick(step)
        last = step == train.steps
        if step % train.log_every == 0 or last:
            self._log(step)
        stop = self.signals.caught if self.processes.world == 1 else self._agree(step)
        due = step % train.save_every == 0 or last
        if due or stop:
            self._save(step, due)
        if stop:
            raise Interrupted(stop, self.run, step)

    def _roll_back(self, step: int, error: DivergedError) -> int:
        """Go back to the newest healthy checkpoint with half the learning rate, if that was asked for."""
        path = checkpoint.healthy(self.run)
        if self.train.doctor != "rollback" or path is None or self.state["rollbacks"] >= ROLLBACKS:
            raise error
        self.processes.barrier()  # until all have looked for it
        if self.processes.is_main:
            changes = {**self._elapsed(), "rollbacks": self.state["rollbacks"] + 1}
            checkpoint.rewind(self.run, path, changes)
        self.processes.barrier()
        self._stand(path)
        to, times = self.state["step"], 0.5 ** self.state["rollbacks"]
        if self.events:
            self.events.note(to, {"rollback": {"from": step, "to": to, "lr_times": times, "because": error.reason}})
        self.progress.say(f"doctor: back from step {step} to {to}, {times:g} times the learning rate ({error.reason})")
        self.progress.back(to)
        return to

    def _agree(self, step: int) -> int:
        """The signal that any process caught; asked for at log intervals only, since asking waits for all."""
        return (
            self.processes.all_reduce_max(self.signals.caught, self.model.device)
            if step % self.train.log_every == 0
            else 0
        )

    def _log(self, step: int) -> None:
        values = self.meter.take()
        wrong = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        if self.processes.all_reduce_max(
            len(wrong), self.model.device
        ):  # all must go, or those that stay would wait for ever
            raise self._diverged(wrong[0] if wrong else "a loss is not finite", step)
        speed = self.progress.update(step, values)
        if self.events:
            self.events.write(step, {**values, "steps_per_second": speed, "seconds": self._elapsed()["seconds"]})
            self.doctor.note(step, values)

    def _save(self, step: int, due: bool) -> None:
        """Save; what is not `due` is saved on a signal, at once: neither examined nor validated, it decides nothing."""
        for name, value in self.model.named_parameters():
            if not bool(torch.isfinite(value).all()):
                raise self._diverged(f"weight {name} is not finite", step)
        failures: list[Finding] = []
        if self.processes.is_main:
            if due:
                failures = self._look_and_keep(step)
            else:
                self._keep(step, None, False)
            self.progress.pause()
        self.state["stale"] = self.processes.all_reduce_max(self.state["stale"], self.model.device)
        if self.train.doctor in ("stop", "rollback") and self.processes.all_reduce_max(
            len(failures), self.model.device
        ):
            raise self._unhealthy(failures, step)

    def _look_and_keep(self, step: int) -> list[Finding]:
        """Draw, examine, validate and save; what the doctor found to be a failure."""
        self._picture(step)
        failures = self._examine(step)
        healthy = self.train.doctor != "off" and not self.doctor.suspects()
        try:
            score = self._validate(step)
            self._weigh(step, score)
        except BaseException as error:
            self._keep(step, None, healthy)  # what was learnt is worth more than its score
            if isinstance(error, KeyboardInterrupt) and self.signals.caught:
                raise Interrupted(self.signals.caught, self.run, step) from error
            raise
        self._keep(step, score, healthy)
        return failures

    def _keep(self, step: int, score: float | None, healthy: bool) -> None:
        if self.processes.is_main:
            state = {
                **self._elapsed(), "step": step, "position": self.stream.position, "score": score, "healthy": healthy,
                "meter": self.meter.state(), **{key: self.state[key] for key in ("rollbacks", "top", "stale")},
                "memory": max(self.state.get("memory", 0), peak_memory(self.model.device)),
                "parts": {name: part.moves for name, part in self.stepper.parts.items()},
            }  # fmt: skip
            every = self.train.save_every if self.train.milestones else 0
            checkpoint.save(self.run, self.stepper, state, self.train.keep_checkpoints, every)

    def _examine(self, step: int) -> list[Finding]:
        """Tell what the doctor finds for the first time; returns all failures."""
        if self.train.doctor == "off" or self.events is None:
            return []
        self.events.write(step, self.doctor.examine(step))
        found = self.doctor.findings(complete=step == self.train.steps)
        for finding in self.doctor.untold(found):
            self._tell(finding)
            self.progress.say(f"doctor: {finding}")
        return [finding for finding in found if finding.severity == "failure"]

    def _tell(self, finding: Finding) -> None:
        row = {"finding": finding.to_dict()}
        if self.events:
            self.events.note(finding.step, row)
            self.doctor.note(finding.step, row)

    @torch.no_grad()
    def _validate(self, step: int) -> float | None:
        if self.validator is None:
            return None
        try:
            value = self.validator.measure(self.stepper.average.model().eval())
        except ValueError as error:  # of samples that are all the same, for instance: training may mend it
            why = " ".join(str(error).split())
            if self.events:
                self.events.note(step, {"unvalidated": why})
            self.progress.say(f"step {step}: {self.train.monitor} could not be measured: {why}")
            return None
        if self.events:
            self.events.write(step, {f"valid/{self.train.monitor}": value})
        return self.validator.score(value) if math.isfinite(value) else None

    def _weigh(self, step: int, score: float | None) -> None:
        """Count validations without gain."""
        if self.validator is None:
            return
        gained = score is not None and (self.state["top"] is None or score > self.state["top"])
        self.state |= {"top": score, "stale": 0} if gained else {"stale": self.state["stale"] + 1}
        if self._tired() and step < self.train.steps:
            text = f"no gain of {self.train.monitor} in {self.state['stale']} validations"
            self.progress.say(f"training ends early, at step {step}: {text}; the best checkpoint is kept")
            if self.events:
                self.events.note(step, {"early": {"because": text}})

    @torch.no_grad()
    def _picture(self, step: int) -> None:
        """The same noise at every save, so that a person can watch the model learn."""
        model = self.stepper.average.model().eval()
        if self.processes.is_main and pictured(model):
            with seeded(self.train.seed, model.device):
                image = picture(model, self.source, self.train.preview_samples)
            folder = self.run / "samples"
            folder.mkdir(exist_ok=True)
            save_png(folder / f"step-{step:08d}.png", image)
            if self.events:
                self.events.picture(step, image)

    def _diverged(self, what: str, step: int) -> DivergedError:
        kept = checkpoint.checkpoints(self.run)
        good = f"the last good checkpoint is {kept[-1].name}" if kept else "no checkpoint had been saved"
        where = began(self.run, self.model, self.examples, self.train, self.processes, step)
        what = "; ".join(filter(None, [what, where]))
        finding = not_finite(what, step, self.stepper.train)
        if self.train.doctor != "off":
            self._tell(finding)
        return DivergedError(f"training diverged at step {step}: {what}; {good}. {finding.change}", what)

    def _unhealthy(self, failures: Sequence[Finding], step: int) -> UnhealthyError:
        path = checkpoint.healthy(self.run)
        good = f"the last healthy checkpoint is {path.name}" if path else "no checkpoint is healthy"
        what = ", ".join(f.kind.replace("-", " ") for f in failures) or "a failure"  # what it saw was told before
        text = f"the doctor stopped training at step {step}: {what}; {good}. `counterfeit doctor` says what to change."
        return UnhealthyError(text, what)

    def _elapsed(self) -> dict[str, float]:
        seconds = self.state["seconds"] + time.perf_counter() - self.started
        cpu = self.state["cpu_seconds"] + time.process_time() - self.cpu_started
        return {"seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3)}

    def _summary(self, step: int) -> Summary:
        elapsed = self._elapsed()
        speed = step * self.train.batch_size / max(elapsed["seconds"], 1e-9)
        return Summary(self.trained, step, elapsed["seconds"], elapsed["cpu_seconds"], round(speed, 1))

    def close(self) -> None:
        """Leave the terminal and files in order."""
        self.progress.close()
        if self.events:
            self.events.close()


def fit(
    run: Path, model: Model, source: Source, train: Train, validator: Validator | None = None,
    processes: Processes = ALONE, resume: bool = False, display: Display = SHOWN,
) -> Summary:  # fmt: skip
    """Train `model` on `source` into the run folder `run`, which holds a folder `checkpoints`; see `Trainer`.

    Raises:
        Interrupted: on SIGINT or SIGTERM, after saving.
        DivergedError: where a loss or weight is not finite; the last good checkpoint is kept.
        UnhealthyError: where the doctor found a failure and `train.doctor` is "stop", or nothing to go back to is left.
        LateError: where an input proves bad after the first step, such as a picture that cannot be decoded.
    """
    trainer = Trainer(run, model, source, train, validator, processes, resume, display)
    try:
        with trainer.signals:
            return trainer.loop()
    except ValueError as error:
        if trainer.trained:
            raise LateError(str(error)) from error
        raise
    finally:
        trainer.close()


def resident(examples: Examples, device: torch.device) -> Examples:
    """Examples moved to the device, on a GPU where they take less than half of its free memory."""
    if device.type != "cuda":
        return examples.to(device)
    free, _ = torch.cuda.mem_get_info(device)
    return examples.to(device) if examples.nbytes < free / 2 else examples


def _fits(examples: Examples, budget: int = 2**28) -> int:
    """How many examples are handed to `initialize`: all, or what fits a quarter gigabyte in float32."""
    return max(1, min(len(examples), budget // (4 * examples.first(1).x[0].numel())))
