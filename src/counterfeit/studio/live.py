"""A run while it trains: its log as it grows, what the training doctor says, pictures of samples, the machine."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from counterfeit.common.files import dumps
from counterfeit.engine.lock import holder

__all__ = ["history", "machine", "pictures", "stream"]

LOOK = 0.4  # seconds between looks at a log
BEAT = 10.0  # seconds after which something is sent, come what may
MOST = 4_000  # rows of a log that a page gets at first; of more, evenly spaced ones


def history(path: Path) -> dict[str, Any]:
    """The log of a run so far: rows of numbers, findings, and the place in the file from which it goes on."""
    file = path / "events.jsonl"
    try:
        data = file.read_bytes()
    except OSError:
        data = b""
    end = data.rfind(b"\n") + 1
    rows = [row for row in map(_row, data[:end].splitlines()) if row]
    numbers, notes = [row for row in rows if not _is_note(row)], [row for row in rows if _is_note(row)]
    if len(numbers) > MOST:
        kept = {round(i * (len(numbers) - 1) / (MOST - 1)) for i in range(MOST)}
        numbers = [row for i, row in enumerate(numbers) if i in kept or any(key.startswith("doctor/") for key in row)]
    return {"rows": numbers, "notes": notes, "place": end}


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else {}


def _is_note(row: dict[str, Any]) -> bool:
    """Whether it holds words: a finding, a rollback."""
    return any(isinstance(value, (dict, list)) for value in row.values())


def pictures(path: Path) -> list[dict[str, Any]]:
    """The pictures of samples that were saved: their steps and file names, in order."""
    files = sorted((path / "samples").glob("step-*.png"))
    return [{"step": int(file.stem[5:]), "file": file.name} for file in files if file.stem[5:].isdecimal()]


async def stream(
    path: Path, place: int, gone: Callable[[], Awaitable[bool]], extra: Callable[[], dict[str, Any]]
) -> AsyncIterator[str]:
    """Server-sent events: rows of a log from a place in it on, and the state whenever it changes.

    Arguments:
        path: the run folder.
        place: bytes of the log that are known.
        gone: whether the reader has left.
        extra: what is to be told of the run's job.
    """
    told: dict[str, Any] = {}
    last = time.monotonic()
    while not await gone():
        rows, place = _grown(path, place)
        state = {"running": bool(holder(path)), "pictures": pictures(path), **extra()}
        if rows:
            numbers, notes = [r for r in rows if not _is_note(r)], [r for r in rows if _is_note(r)]
            yield f"id: {place}\nevent: rows\ndata: {dumps({'rows': numbers, 'notes': notes})}\n\n"
        if state != told:
            yield f"event: state\ndata: {dumps(state)}\n\n"
            told = state
        if time.monotonic() - last > BEAT or rows:
            last = time.monotonic()
            yield f"event: machine\ndata: {dumps(machine())}\n\n"
        await asyncio.sleep(LOOK)


def _grown(path: Path, place: int) -> tuple[list[dict[str, Any]], int]:
    """Whole lines from a place on, and where they end; from the start where the log has become shorter."""
    file = path / "events.jsonl"
    try:
        size = file.stat().st_size
        if size < place:
            place = 0
        if size == place:
            return [], place
        with file.open("rb") as opened:
            opened.seek(place)
            data = opened.read()
    except OSError:
        return [], place
    end = data.rfind(b"\n") + 1
    return [row for row in map(_row, data[:end].splitlines()) if row], place + end


def machine() -> dict[str, Any]:
    """How busy the machine is: load of the last minute, cores, bytes of memory in use and in all; None if unknown."""
    try:
        load = os.getloadavg()[0]
    except (OSError, AttributeError):
        load = None
    return {"load": load, "cores": os.cpu_count(), **_memory()}


def _memory() -> dict[str, int | None]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[:5]}
        return {"memory": found["MemTotal"] - found["MemAvailable"], "of": found["MemTotal"]}
    except (OSError, ValueError, KeyError, IndexError):
        return {"memory": None, "of": None}
