"""The training doctor: examines a run at every save, or afterwards, and says what is wrong and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from counterfeit.common.presentation import html
from counterfeit.config.settings import Train
from counterfeit.core import Clock, Model
from counterfeit.data.source import Source
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.doctor.finding import Finding
from counterfeit.engine.doctor.history import PREFIX, Chart
from counterfeit.engine.doctor.network_statistics import look_at_training
from counterfeit.engine.doctor.rules import diagnose
from counterfeit.engine.doctor.sample_statistics import Reference, look_at_model, reference
from counterfeit.engine.step import Stepper

__all__ = ["Doctor", "Examination", "examine", "slowed"]

NOTED = 0.25  # of a layer's units that are dead


class Doctor:
    """Examines one run.

    Arguments:
        stepper: what trains the model.
        source: what it is trained on.
        train: how.
        rows: what was logged so far, as in events.jsonl.
        size: examples that training takes at once.
    """

    def __init__(self, stepper: Stepper, source: Source, train: Train, rows: list[dict[str, Any]], size: int) -> None:
        self.stepper, self.source, self.train, self.rows, self.size = stepper, source, train, rows, size

    @cached_property
    def known(self) -> Reference:
        """What samples are compared to."""
        return reference(self.source, self.stepper.model.device, self.train.seed)

    def note(self, step: int, values: Mapping[str, Any]) -> None:
        """Remember a row of the log."""
        self.rows.append({"step": step, **values})

    def examine(self, step: int) -> dict[str, float]:
        """Measure the model after `step` steps: what stands in the log under `doctor/…`."""
        sampler, seed = self.stepper.average.model(), self.train.seed
        clock = Clock(min(step, self.train.steps - 1), self.train.steps)
        found = look_at_model(sampler, self.known, seed)
        found |= look_at_training(self.stepper, self.known, clock, self.size, seed)
        noted = {f"{PREFIX}{k}": v for k, v in found.items() if not (k.startswith("dead/") and v < NOTED)}
        self.note(step, noted)
        return noted

    def findings(self, complete: bool = False) -> list[Finding]:
        """What is wrong by the last examinations; one alone counts where `complete`, as no other will follow."""
        return diagnose(Chart(self.rows, self.train, self.stepper.model, complete))

    def suspects(self) -> bool:
        """Whether the last examination alone shows any sign."""
        return bool(diagnose(Chart(self.rows, self.train, self.stepper.model, patience=1)))

    def untold(self, findings: list[Finding]) -> list[Finding]:
        """Those of a kind that is not in the log yet."""
        told = {row["finding"]["kind"] for row in self.rows if _told(row)}
        return [finding for finding in findings if finding.kind not in told]


class Examination(NamedTuple):
    """What was found of a run.

    Arguments:
        step: of the checkpoint.
        findings: what is wrong by it and by what was logged until then.
        earlier: what was told while it trained, of other kinds.
        measured: what it showed.
        young: whether samples say nothing yet.
    """

    step: int
    findings: list[Finding]
    earlier: list[Finding]
    measured: dict[str, float]
    young: bool

    def __repr__(self) -> str:
        kinds = ", ".join(finding.kind.replace("-", " ") for finding in self.findings)
        early = "; too early to judge samples" if self.young else ""
        return f"Examination at step {self.step:,}: {kinds or 'nothing was found'}{early}"

    def _repr_html_(self) -> str:
        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """As `counterfeit doctor RUN --json` prints it."""
        lists = {name: [f.to_dict() for f in getattr(self, name)] for name in ("findings", "earlier")}
        return {"step": self.step, **lists, "measured": self.measured, "young": self.young}


def examine(path: Path, rows: list[dict[str, Any]], model: Model, source: Source, train: Train) -> Examination:
    """Examine a run at the checkpoint `path`, as would have been done while it trained.

    Arguments:
        path: the checkpoint.
        rows: of the run's events.jsonl.
        model: of the run's settings; its weights are filled in.
        source: what it was trained on.
        train: how.
    """
    state = checkpoint.read_state(path)
    train = slowed(train, state.get("rollbacks", 0))
    stepper, step = Stepper(model, train, Processes()), int(state["step"])
    checkpoint.restore(path, stepper)
    known = [row for row in rows if row["step"] < step or (row["step"] == step and not _examined(row))]
    doctor = Doctor(stepper, source, train, known, max(1, train.batch_size // train.micro_batches))
    measured = {name.removeprefix(PREFIX): value for name, value in doctor.examine(step).items()}
    findings = doctor.findings(complete=True)
    kinds = {finding.kind for finding in findings}
    told = [Finding.of(row["finding"]) for row in rows if _told(row)]
    earlier = [finding for finding in told if finding.kind not in kinds]
    return Examination(step, findings, earlier, measured, Chart(doctor.rows, train, model).young)


def slowed(train: Train, rollbacks: int) -> Train:
    """Every learning rate halved for each rollback.

    Example:
        >>> slowed(Train(lr=0.4, parts={"generator": {"lr": 0.2}}), 2).of_part("generator").lr
        0.05
    """
    if not rollbacks:
        return train
    lower = lambda rule: {k: v * 0.5**rollbacks if k in ("lr", "lr_final") else v for k, v in rule.items()}  # noqa: E731
    rates = lower({"lr": train.lr, "lr_final": train.lr_final})
    return replace(train, **rates, parts={name: lower(own) for name, own in train.parts.items()})


def _examined(row: Mapping[str, Any]) -> bool:
    return any(key.startswith(PREFIX) for key in row)


def _told(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("finding"), dict)
