"""What answers the pages' requests, built at once: runs, jobs, models and games."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from counterfeit.studio.api import API
from counterfeit.studio.jobs import Jobs
from counterfeit.studio.opened import Models
from counterfeit.studio.runs import Runs
from counterfeit.studio.study.store import Store
from counterfeit.studio.study.studies import Studies
from counterfeit.studio.theory.games import Games

__all__ = ["Rooms"]


class Rooms:
    """Everything behind the pages.

    Arguments:
        root: the folder of runs.
        beside: how many trainings run at a time.
    """

    def __init__(self, root: Path, beside: int) -> None:
        self.runs = Runs(root)
        self.jobs, self.models = Jobs(self.runs, beside), Models(self.runs)
        self.games = Games(self.models.drawing)
        self.studies = Studies(self.models, Store(self.runs.home / "studies.sqlite"))
        self.jobs.open()

    def routes(self) -> list[Route]:
        """Every address below /api."""
        studies = [*self.studies.routes(), *self.studies.participants()]
        return [*API(self.runs, self.jobs, self.models).routes(), *self.games.routes(), *studies]

    def has(self, run: str) -> bool:
        """Whether there is a run of that name, or a job that will make it.

        Raises:
            MissingError: there is neither.
        """
        return self.jobs.of(run) is not None or self.runs.path(run).is_dir()

    def close(self) -> None:
        """Answer no more; what trains goes on."""
        self.games.close()
        self.studies.close()
        self.jobs.close()
        self.models.close()
