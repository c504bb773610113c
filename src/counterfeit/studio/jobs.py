"""Trainings that the studio started: a queue of processes of their own, which outlive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from counterfeit.common.files import write_json
from counterfeit.studio.launcher import alive, status
from counterfeit.studio.requests import MissingError
from counterfeit.studio.runs import Runs

__all__ = ["Job", "Jobs", "State"]

State = Literal["waiting", "running", "done", "stopped", "failed"]
TICK = 0.3  # seconds between looks at the queue
STARTING = 15.0  # seconds that a process may take until it holds its lock
KEPT = 200  # ended jobs that are remembered
LAST = 4_000  # bytes of a log that are looked at for an error


@dataclass
class Job:
    """A command of the program, about one run.

    Arguments:
        id: of the job.
        run: name of the run that it makes, or goes on with.
        arguments: of `counterfeit`, from the verb on.
        state: where it stands.
        pid: of its process, once it has begun.
        since: when that was, in seconds since 1970.
        error: why it failed, in a line.
    """

    id: str
    run: str
    arguments: list[str]
    state: State = "waiting"
    pid: int = 0
    since: float = 0.0
    error: str = ""
    asked: bool = field(default=False)
    """Whether somebody asked it to stop."""


class Jobs:
    """A queue of jobs, kept in a file, of which some run at a time.

    Arguments:
        runs: where runs are made.
        beside: how many jobs run at a time.
    """

    def __init__(self, runs: Runs, beside: int = 1) -> None:
        self.runs, self.beside = runs, beside
        self.file, self.logs = runs.home / "jobs.json", runs.home / "jobs"
        self.logs.mkdir(exist_ok=True)
        self._lock, self._over = threading.RLock(), threading.Event()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._jobs = self._read()
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)

    def open(self) -> None:
        """Begin to look after the queue."""
        self._thread.start()

    def close(self) -> None:
        """Look after it no more; what runs goes on."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for child in self._children.values():
            child.returncode = child.returncode or 0  # nobody waits for it any more

    def rows(self) -> list[dict[str, object]]:
        """Every job, the newest last."""
        with self._lock:
            return [asdict(job) for job in self._jobs.values()]

    def add(self, run: str, arguments: Sequence[str]) -> Job:
        """Put a command into the queue."""
        with self._lock:
            job = Job(f"{time.time_ns()}", run, list(arguments))
            self._jobs[job.id] = job
            self._write()
            self._advance()
            return job

    def stop(self, run: str) -> Job:
        """Ask what trains a run to save and stop, or take it out of the queue.

        Raises:
            MissingError: nothing that the studio started does.
        """
        with self._lock:
            for job in self._jobs.values():
                if job.run == run and job.state == "waiting":
                    job.state = "stopped"
                    self._write()
                    return job
                if job.run == run and job.state == "running":
                    job.asked = True
                    os.killpg(job.pid, signal.SIGINT)
                    self._write()
                    return job
        raise MissingError(f"nothing that the studio started is training {run}. Stop it where it was started.")

    def of(self, run: str) -> Job | None:
        """The newest job about a run of that name."""
        with self._lock:
            return next((job for job in reversed(self._jobs.values()) if job.run == run), None)

    def reserved(self, run: str) -> bool:
        """Whether a job that has not ended is about a run of that name."""
        found = self.of(run)
        return found is not None and found.state in ("waiting", "running")

    def log(self, run: str) -> str:
        """The last words of the newest job of a run; empty where there is none."""
        found = self.of(run)
        return self._words(found.id) if found else ""

    def _watch(self) -> None:
        while not self._over.wait(TICK):
            with self._lock:
                self._advance()

    def _advance(self) -> None:
        """Note what has ended, and begin what can."""
        for job in self._jobs.values():
            if job.state == "running":
                self._look(job)
        running = sum(job.state == "running" for job in self._jobs.values())
        for job in self._jobs.values():
            if job.state == "waiting" and running < self.beside:
                self._begin(job)
                running += 1

    def _look(self, job: Job) -> None:
        """Whether a running job has ended, and how."""
        child, place = self._children.get(job.id), self.logs / job.id
        gone = child.poll() is not None if child else not alive(place) and time.time() - job.since > STARTING
        code = status(place)
        if code is None and not gone:
            return
        if self._children.pop(job.id, None) and child:
            child.wait()  # it wrote how the command ended, and ends itself
        if code == 0:
            job.state = "done"
        elif job.asked or code in (130, 143):
            job.state = "stopped"
        else:
            job.state, job.error = "failed", self._reason(job.id)
        self._write()

    def _begin(self, job: Job) -> None:
        place = self.logs / job.id
        command = [sys.executable, "-m", "counterfeit.studio.launcher", str(place), sys.executable, "-m", "counterfeit"]
        with Path(f"{place}.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, *job.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._children[job.id] = child
        job.state, job.pid, job.since = "running", child.pid, time.time()
        self._write()

    def _reason(self, id_: str) -> str:
        """The line of the log that says what went wrong."""
        lines = [line.strip() for line in self._words(id_).splitlines() if line.strip()]
        told = [line for line in lines if "error:" in line]
        return (told or lines or ["its process is gone"])[-1][:500]

    def _words(self, id_: str) -> str:
        try:
            with (self.logs / f"{id_}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - LAST))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _read(self) -> dict[str, Job]:
        try:
            rows = json.loads(self.file.read_text(encoding="utf-8"))
            return {str(row["id"]): Job(**row) for row in rows}
        except (OSError, ValueError, TypeError, KeyError):
            return {}

    def _write(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.state not in ("waiting", "running")]
        for id_ in ended[:-KEPT]:
            del self._jobs[id_]
        write_json(self.file, [asdict(job) for job in self._jobs.values()])
