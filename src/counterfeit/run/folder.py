"""Run folders: what lies in one, and how one is made, named and described.

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
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import counterfeit
from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure
from counterfeit.common import file_schemas, schema
from counterfeit.common.files import write_json
from counterfeit.common.spelling import nearest
from counterfeit.config.nested import nest
from counterfeit.config.parse import command, options
from counterfeit.config.settings import Config, Evaluation
from counterfeit.core import Model
from counterfeit.data.source import Source
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.events import read_events
from counterfeit.evaluation.measure import Results, metric_of

__all__ = ["RunFolder", "create", "default_folder", "describe", "other_runs", "versions"]


class RunFolder:
    """What lies in a run folder: its settings, events, checkpoints and results, without any model.

    Arguments:
        path: the run folder.

    Raises:
        ValueError: where `path` is no run folder, or its run.yaml is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"{type(path).__name__} came; the path of a run folder is expected. Name one.")
        self.path = Path(path).expanduser()
        file = self.path / "run.yaml"
        if not file.is_file():
            raise ValueError(f"{path} is no run folder: it holds no run.yaml. {other_runs(self.path)}")
        try:
            self.description = schema.parse_yaml(schema.read_text(file), file_schemas.RUN)
        except schema.MisfitError as error:
            raise ValueError(f"{file} is damaged: {error}. Restore it, or train again.") from None
        self.config = self.configure({})

    def configure(self, changes: Mapping[str, Any]) -> Config:
        """Its settings with nested `changes` over them."""
        settings = {str(k): self.description[k] for k in catalogue.SETTINGS if k in self.description}
        return configure(Recipe(self.description.get("recipe", self.path.name), "", settings), changes)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def threads(self) -> int | None:
        """CPU threads that it was trained with, which sampling and evaluation take too; None for PyTorch's number."""
        return self.config.train.threads or self.description.get("threads")

    @property
    def commands(self) -> list[str]:
        """What trains it again: a command, and one more for each time that it went on with other settings."""
        resumed, path = self.description.get("resumed", []), shlex.quote(str(self.path))
        before = {key: value for entry in reversed(resumed) for key, value in entry["before"].items()}
        first = self.configure(nest(before))
        lines = [f"{command(first, catalogue.usual(catalogue.recipe(first.recipe), first))} --out {path}"]
        for entry in resumed:
            lines[-1] += f" # stop it at step {entry['step']}"
            lines.append(" ".join(["counterfeit resume", path, *options(entry["settings"])]))
        return lines

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
        return {name: entry for name, entry in self.entries().items() if "skipped" not in entry}

    @property
    def skipped(self) -> dict[str, str]:
        """Metric -> why it gave no number, of those that were asked and never gave one."""
        return {name: entry["skipped"] for name, entry in self.entries().items() if "skipped" in entry}

    def entries(self) -> dict[str, Any]:
        """What evaluation.json holds: metric -> its result, or why there is none.

        Raises:
            ValueError: the file is damaged.
        """
        file = self.path / "evaluation.json"
        try:
            return dict(schema.read_json(file, file_schemas.RESULTS)) if file.is_file() else {}
        except schema.MisfitError as error:
            raise ValueError(f"{file} is damaged: {error}. Remove it and evaluate again.") from None

    def remember(self, results: Results, at: str, settings: Evaluation) -> None:
        """Keep in evaluation.json what was measured at the checkpoint `at`, and why the rest was not.

        Numbers are never lost to the reason why there is no new one.
        """
        asked = {name: value for name, value in dataclasses.asdict(settings).items() if name != "metrics"}
        stamp = {"checkpoint": at, "settings": asked}
        kept = self.entries()  # read again: another evaluation of the run may have ended in the meantime
        numbers = {name: entry for name, entry in kept.items() if "skipped" not in entry}
        numbers |= {name: {**result.to_dict(), **stamp} for name, result in results.items()}
        reasons = {name: entry for name, entry in kept.items() if "skipped" in entry}
        reasons |= {name: {"skipped": why, **stamp} for name, why in results.skipped.items()}
        measured = {metric.name for row in numbers if (metric := metric_of(row))}
        rest = {name: entry for name, entry in reasons.items() if name not in measured}
        write_json(self.path / "evaluation.json", numbers | rest)


def other_runs(path: Path) -> str:
    """What to do where `path` is no run folder: the run with the nearest name, where there are some beside it."""
    beside = {file.parent.name for place in (path.parent, Path("runs")) for file in place.glob("*/run.yaml")}
    if not beside:
        return "Give a folder that `counterfeit train` made."
    return f"Give a folder that `counterfeit train` made; {nearest(path.name, sorted(beside), 'counterfeit list runs')}"


def default_folder(recipe: str) -> Path:
    """`runs/<recipe>-<time>`, or the first free name after it."""
    stem = Path("runs") / f"{recipe}-{datetime.now():%Y%m%d-%H%M%S}"
    candidates = (stem, *(stem.with_name(f"{stem.name}-{i}") for i in range(2, 1_000)))
    return next(path for path in candidates if not path.exists())


def create(out: Path | None, recipe: str, group: Processes) -> Path:
    """A new folder at `out`, or by the recipe's name and the time."""
    if not group.is_main:
        return Path(group.broadcast(""))
    folder = out or default_folder(recipe)
    while not _made(folder):
        if out:
            raise ValueError(f"{out} already holds something; a new folder is expected. Choose another, or resume it.")
        folder = default_folder(recipe)  # another process took that name a moment ago
    return Path(group.broadcast(str(folder)))


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


def describe(recipe: Recipe, source: Source, model: Model) -> dict[str, Any]:
    """What `run.yaml` holds beside the settings: goals, sizes, versions, data fingerprint."""
    return {
        "summary": recipe.summary,
        "targets": [dict(goal) for goal in recipe.targets],
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
