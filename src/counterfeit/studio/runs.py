"""The runs of a folder as the studio shows them: where each stands; tags; a trash from which they come back."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from counterfeit import catalogue
from counterfeit.catalogue import UnknownClassError
from counterfeit.common.files import write_json
from counterfeit.common.numbers import measured
from counterfeit.engine.checkpoint import checkpoints
from counterfeit.engine.lock import holder
from counterfeit.metrics.base import Result
from counterfeit.run.folder import RunFolder
from counterfeit.studio.requests import MissingError

__all__ = ["HOME", "Runs"]

HOME = ".studio"  # of what the studio itself keeps, within the folder of runs
NAME = re.compile(r"[\w][\w .,+()=-]{0,99}")
TAG = re.compile(r"[\w][\w .-]{0,29}")
MOST_TAGS, NUMBERS = 12, 4


class Runs:
    """The runs in a folder, and in folders of it.

    Arguments:
        root: the folder; made where there is none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.home = self.root / HOME
        self.home.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._writing = threading.Lock()

    def path(self, name: str) -> Path:
        """The folder of a run, confined to the runs' folder.

        Arguments:
            name: as in `rows`: a name, or two with a slash between.

        Raises:
            MissingError: there is no such run, or the name leads elsewhere.
        """
        parts = name.split("/")
        if len(parts) <= 2 and all(NAME.fullmatch(part) and part[-1] not in " ." for part in parts):
            path = self.root.joinpath(*parts)
            if path.resolve() == path and (path / "run.yaml").is_file():  # a link would lead elsewhere
                return path
        raise MissingError(f"there is no run {name[:80]!r}. Go back to the list of runs.")

    def free(self, name: str) -> Path:
        """The path of a run to come.

        Raises:
            ValueError: it is taken, or no name of a folder.
        """
        if not NAME.fullmatch(name) or name[-1] in " .":
            raise ValueError(f"{name[:80]!r} came; letters, digits, spaces, dots and dashes are expected as a name.")
        path = self.root / name
        if path.exists():
            raise ValueError(f"there is already something called {name!r}. Choose another name.")
        return path

    def unused(self, stem: str) -> str:
        """A name that is free, made of `stem` and a number."""
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
        names = (stem, *(f"{stem}-{i}" for i in range(2, 10_000)))
        return next(name for name in names if not (self.root / name).exists())

    def names(self) -> list[str]:
        """Every run, the newest first."""
        found = [*self.root.glob("*/run.yaml"), *self.root.glob("*/*/run.yaml")]
        kept = [file for file in found if HOME not in file.parts and not file.parent.is_symlink()]
        newest = sorted(kept, key=lambda file: file.stat().st_mtime, reverse=True)
        return [file.parent.relative_to(self.root).as_posix() for file in newest]

    def rows(self) -> list[dict[str, Any]]:
        """What the list shows of every run, the newest first."""
        tags = self.tags()
        return [{**self.row(name), "tags": tags.get(name, [])} for name in self.names()]

    def row(self, name: str) -> dict[str, Any]:
        """What the list shows of a run: recipe, model, family, data, state, step, steps, numbers, picture."""
        path = self.root.joinpath(*name.split("/"))
        held = bool(holder(path))
        parts = ("run.yaml", "evaluation.json", "checkpoints", "samples", *(("events.jsonl",) if held else ()))
        stamp = tuple(_changed(path / part) for part in parts)
        if name not in self._known or self._known[name][0] != (stamp, held):
            self._known[name] = ((stamp, held), _row(name, path, held))
        return self._known[name][1]

    def tags(self) -> dict[str, list[str]]:
        """Run -> its tags."""
        try:
            found = json.loads((self.home / "tags.json").read_text(encoding="utf-8"))
            return {str(name): [str(tag) for tag in tags] for name, tags in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def tag(self, name: str, tags: list[str]) -> list[str]:
        """Give a run these tags, and no others.

        Raises:
            ValueError: one is too long, or there are too many.
        """
        self.path(name)
        if len(tags) > MOST_TAGS or not all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in tags):
            raise ValueError(f"at most {MOST_TAGS} tags of at most 30 letters, digits and spaces are expected.")
        with self._writing:
            write_json(self.home / "tags.json", self.tags() | {name: list(dict.fromkeys(tags))})
        return list(dict.fromkeys(tags))

    def delete(self, name: str) -> str:
        """Move a run to the trash; what brings it back.

        Raises:
            ValueError: it is being trained.
        """
        path = self.path(name)
        if holder(path):
            raise ValueError(f"{name} is being trained. Stop it first.")
        ticket = f"{time.time_ns()}"
        place = self.home / "trash" / ticket
        place.mkdir(parents=True)
        write_json(place / "name.json", {"name": name})
        shutil.move(path, place / "run")
        return ticket

    def restore(self, ticket: str) -> str:
        """Bring back a run from the trash; its name.

        Raises:
            ValueError: nothing was thrown away under that ticket, or its place is taken.
        """
        place = self.home / "trash" / ticket
        if not ticket.isdecimal() or not (place / "run" / "run.yaml").is_file():
            raise MissingError("nothing like that is in the trash.")
        name = str(json.loads((place / "name.json").read_text(encoding="utf-8"))["name"])
        target = self.root.joinpath(*name.split("/"))
        if target.exists():
            raise ValueError(f"there is already something called {name!r}. Move it first.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place / "run", target)
        shutil.rmtree(place, ignore_errors=True)
        return name


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _logged(path: Path) -> int:
    """The step of the last whole line of a log."""
    try:
        with (path / "events.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 8_192))
            steps = re.findall(rb'^{"step": (\d+)', file.read(), re.M)
        return int(steps[-1]) if steps else 0
    except OSError:
        return 0


def _row(name: str, path: Path, held: bool) -> dict[str, Any]:
    blank: dict[str, Any] = {
        "name": name, "recipe": "", "model": "", "family": "", "data": "", "step": 0, "steps": 0, "numbers": [],
        "picture": None, "created": "", "summary": "",
    }  # fmt: skip
    try:
        run = RunFolder(path)
        step = run.state["step"] if checkpoints(path) else 0
        numbers = [
            {"metric": metric, "text": measured(Result.from_dict(entry).estimate)}
            for metric, entry in list(run.evaluation.items())[:NUMBERS]
        ]
        cls = catalogue.model_class(run.config.model)
        family = catalogue.family(cls)
    except UnknownClassError:
        return blank | {"state": "foreign"}
    except (ValueError, OSError, KeyError):
        return blank | {"state": "damaged"}
    step = max(step, _logged(path)) if held else step
    steps = max(step, run.config.train.steps)
    state = "running" if held else "done" if step >= run.config.train.steps else "stopped"
    pictures = sorted((path / "samples").glob("step-*.png"))
    return blank | {
        "recipe": run.config.recipe, "model": run.config.model, "family": family, "data": run.config.data.name,
        "state": state, "step": step, "steps": steps, "numbers": numbers,
        "picture": pictures[-1].name if pictures else None, "created": str(run.description.get("created", "")),
        "summary": str(run.description.get("summary", "")),
    }  # fmt: skip
