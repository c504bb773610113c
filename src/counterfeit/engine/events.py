"""What a run tells while it trains: events.jsonl, TensorBoard events, and one line on a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterfeit.common.file_schemas import EVENT
from counterfeit.common.files import dumps
from counterfeit.common.progress import Minutes, console
from counterfeit.common.schema import MisfitError, parse_json
from counterfeit.config.nested import flatten

__all__ = ["Events", "Meter", "Progress", "read_events"]


class Meter:
    """Sums logs on the device; one transfer gives their means at the log interval."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, logs: Mapping[str, Tensor]) -> None:
        """Add one step's logs: scalars on the device."""
        for name, value in logs.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def take(self) -> dict[str, float]:
        """Means since the last call; a value that was once not finite stays so."""
        if not self.sums:
            return {}
        means = (torch.stack([v.float() for v in self.sums.values()]) / self.count).tolist()
        names, self.sums, self.count = list(self.sums), {}, 0
        return dict(zip(names, means, strict=True))

    def state(self) -> dict[str, Any]:
        """What was added since the last line, for a checkpoint between two lines."""
        return {"sums": {name: _finite(float(value)) for name, value in self.sums.items()}, "count": self.count}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on adding where `state` was taken."""
        sums = {name: math.nan if value is None else value for name, value in state["sums"].items()}
        self.sums = {name: torch.tensor(value, device=device) for name, value in sums.items()}
        self.count = state["count"]


class Events:
    """Appends to events.jsonl and to TensorBoard's event file.

    Arguments:
        run: the run folder.
        step: events after this step, which a killed run may have left behind, are dropped.
        tensorboard: whether to write TensorBoard events.
    """

    def __init__(self, run: Path, step: int, tensorboard: bool) -> None:
        self.path = run / "events.jsonl"
        kept = [dumps(e) + "\n" for e in read_events(run) if e["step"] <= step]
        self.path.write_text("".join(kept))
        self.file = self.path.open("a", buffering=1)
        self.board = _board(run / "tensorboard", step) if tensorboard else None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One line: the step and its values.

        Raises:
            OSError: where the disk is full or went away, with the name of the file.
        """
        self.note(step, {k: _rounded(v) for k, v in values.items()})
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def note(self, step: int, content: Mapping[str, Any]) -> None:
        """One line of anything, for events.jsonl alone."""
        try:
            self.file.write(dumps({"step": step, **content}) + "\n")
        except OSError as error:
            raise OSError(f"{self.path} could not be written ({error.strerror}); checkpoints are kept.") from None

    def picture(self, step: int, image: NDArray[np.uint8]) -> None:
        """A grid of samples, (H, W) or (H, W, 3), for TensorBoard."""
        if self.board is not None:
            self.board.add_image("samples", image, step, dataformats="HWC"[: image.ndim])

    def settings(self, settings: Mapping[str, Any], metric: str | None) -> None:
        """Nested settings, as what TensorBoard calls hparams, beside the metric that validates."""
        if self.board is None:
            return
        from torch.utils.tensorboard.summary import hparams

        flat = {key: value if isinstance(value, (bool, int, float)) else str(value) for key, value in flatten(settings)}
        for summary in hparams(flat, {f"valid/{metric}": 0.0} if metric else {}):
            self.board.file_writer.add_summary(summary)

    def close(self) -> None:
        """Flush and close both."""
        self.file.close()
        if self.board is not None:
            self.board.close()


def read_events(run: Path) -> list[dict[str, Any]]:
    """The events of a run folder; a line that is none, such as a last one cut short by a kill, is passed over."""
    path = run / "events.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return [event for event in map(_event, lines) if event]


def _event(line: str) -> dict[str, Any]:
    try:
        return dict(parse_json(line, EVENT))
    except MisfitError:
        return {}


def _rounded(value: float) -> float | None:
    return _finite(float(f"{value:.7g}"))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _board(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(folder, purge_step=step + 1, flush_secs=30)


class Progress:
    """A progress bar on a terminal; elsewhere a line a minute, or a log step where those are rarer.

    Arguments:
        title: shown before the bar.
        step: where training starts.
        steps: where it ends.
        batch_size: examples a step, for images/s.
        show: never where False.
    """

    def __init__(self, title: str, step: int, steps: int, batch_size: int, show: bool) -> None:
        self.batch_size, self.last, self.ticked = batch_size, (step, time.perf_counter()), time.perf_counter()
        self.show = show
        self.title, self.steps, self.first = title, steps, step
        self.minutes = Minutes() if show and not sys.stderr.isatty() else None
        self.bar = _bar(show and not self.minutes)
        self.task = self.bar.add_task(title, total=steps, completed=step, losses="", speed="") if self.bar else None

    def update(self, step: int, values: Mapping[str, float]) -> float:
        """Move the bar to `step`; returns steps a second since the last call."""
        then, since = self.last
        now = time.perf_counter()
        speed = (step - then) / max(now - since, 1e-9)
        self.last = (step, now)
        losses = "  ".join(f"{_initial(k)} {v:.3g}" for k, v in values.items() if k.endswith("loss"))
        if self.bar:
            self.bar.update(self.task, completed=step, losses=losses, speed=self._speed(speed))
        if self.minutes and self.minutes.due():
            left = self.minutes.left(step - self.first, self.steps - self.first)
            self.say(f"{self.title}: step {step:,} of {self.steps:,}, {left}, {self._speed(speed)}  {losses}")
        return speed

    def _speed(self, speed: float) -> str:
        return f"{speed:.3g} steps/s {speed * self.batch_size:,.0f} images/s"

    def tick(self, step: int) -> None:
        """Show that a step was done, where steps are slow: once a second is enough."""
        now = time.perf_counter()
        if self.bar and now - self.ticked > 1:
            self.ticked = now
            self.bar.update(self.task, completed=step)

    def pause(self) -> None:
        """Do not count what follows (saving, validating) as training time."""
        self.last = (self.last[0], time.perf_counter())

    def back(self, step: int) -> None:
        """Training goes on from `step`, an earlier one."""
        self.last = (step, time.perf_counter())
        if self.bar:
            self.bar.update(self.task, completed=step)

    def say(self, text: str) -> None:
        """A line for a person, above the bar where there is one."""
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        elif self.show:
            print(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.bar:
            self.bar.stop()


def _initial(name: str) -> str:
    """`discriminator/loss` as D: all of the line is to fit 80 columns."""
    return name[0].upper() if "/" in name else name


NARROW = 90  # columns, below which a bar and speeds would leave no room for losses


def _bar(show: bool) -> Any:
    if not show:
        return None
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    name = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", max_width=12))
    narrow = console().width < NARROW
    columns = (
        name if narrow else TextColumn("{task.description}"), *(() if narrow else (BarColumn(10),)),
        MofNCompleteColumn(), TimeRemainingColumn(compact=True),
        *(() if narrow else (TextColumn("{task.fields[speed]}"),)),
        TextColumn("[dim]{task.fields[losses]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )  # fmt: skip
    bar = Bar(*columns, console=console(), expand=True)
    bar.start()
    return bar
