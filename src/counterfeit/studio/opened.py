"""Runs that are open: models in memory, asked by one request at a time, apart from the server's own thread."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

import torch
from torch import Tensor

from counterfeit.engine.checkpoint import checkpoints
from counterfeit.run.run import Run
from counterfeit.studio.requests import MissingError
from counterfeit.studio.runs import Runs

__all__ = ["Models", "StudioRun"]

T = TypeVar("T")
OPEN = 6  # runs whose models stay in memory
HELD = 64  # pictures of a person, and states of chains, that are kept


class StudioRun(Run):
    """A run whose model works in one thread: a picture is needed at once, also while a training takes the others."""

    @property
    def threads(self) -> int | None:
        """One."""
        return 1

    def remembered(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What `make` gives, made once."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    @cached_property
    def kept(self) -> dict[str, Tensor]:
        """What was made of this checkpoint."""
        return {}


class Models:
    """Opens runs, keeps the newest ones, and asks them in a thread.

    Quick questions, such as what a code decodes to, draw nothing and have a thread of their own, so that they need not
    wait for a long chain that somebody else asked for. All others, whose draws are of one generator of random numbers,
    take turns.

    Arguments:
        runs: where they are.
    """

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._open: OrderedDict[str, tuple[Path, StudioRun, Lock]] = OrderedDict()
        self._held: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()
        self._quick = ThreadPoolExecutor(1, "quick", torch.set_num_threads, (1,))
        self._slow = ThreadPoolExecutor(1, "slow", torch.set_num_threads, (1,))
        self.drawing = Lock()
        """Held by whatever draws random numbers."""

    def close(self) -> None:
        """Answer no more."""
        for pool in (self._quick, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)

    def run(self, name: str) -> tuple[StudioRun, Lock]:
        """A run at its best checkpoint, with the lock of its model; opened anew once there is a newer checkpoint.

        Raises:
            MissingError: there is no such run, or nothing to open yet.
        """
        path = self.runs.path(name)
        found = checkpoints(path)
        if not found:
            raise MissingError(f"{name} has no checkpoint yet. Wait for its first one.")
        with self._lock:
            if name in self._open and self._open[name][0] == found[-1]:
                self._open.move_to_end(name)
                return self._open[name][1:]
            run = StudioRun(path)
            if name in self._open:
                run.source = self._open[name][1].source  # decoded once
            self._open[name] = (found[-1], run, Lock())
            self._open.move_to_end(name)
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return self._open[name][1:]

    async def ask(self, name: str, question: Callable[[StudioRun], T], quick: bool = False) -> T:
        """What a question to an open run is answered, asked in a thread; `quick` for one that draws nothing."""
        loop, pool = asyncio.get_running_loop(), self._quick if quick else self._slow
        return await loop.run_in_executor(pool, partial(self._asked, name, question, quick))

    async def work(self, task: Callable[[], T]) -> T:
        """What a task gives, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, task)

    def _asked(self, name: str, question: Callable[[StudioRun], T], quick: bool) -> T:
        run, lock = self.run(name)
        with lock, nullcontext() if quick else self.drawing:
            return question(run)

    def keep(self, x: Tensor) -> str:
        """Keep a tensor for later questions; its ticket. The oldest one goes where there are too many."""
        ticket = secrets.token_urlsafe(12)
        with self._lock:
            self._held[ticket] = x
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return ticket

    def kept(self, ticket: str) -> Tensor:
        """The tensor with that ticket.

        Raises:
            MissingError: it is kept no more.
        """
        with self._lock:
            if ticket not in self._held:
                raise MissingError("that picture is kept no more. Give it again.")
            self._held.move_to_end(ticket)
            return self._held[ticket]
