"""One trainer a run folder: a lock that a process holds, and that is gone with it however it ends."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from counterfeit.common.files import dumps
from counterfeit.engine.distributed import Processes

__all__ = ["holder", "locked"]

TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


@contextmanager
def locked(run: Path, group: Processes) -> Iterator[None]:
    """Hold the lock of a run folder, so that no other process trains into it; readers need none.

    The system holds it for the open file, not the file itself: what a killed process or another machine left behind
    locks nothing. Where a platform or a file system has no such locks, there is none.

    Arguments:
        run: the run folder.
        group: those that train together; the leader takes the lock for all.

    Raises:
        ValueError: another process trains into it; says which, where and since when.
    """
    file, held = _take(run) if group.is_main else (None, "")
    try:
        if held := group.broadcast(held):  # all go, or those that stay would wait for ever
            raise ValueError(
                f"{run} is being trained by {held}. Wait for it or stop it; sample, evaluate and report need not wait."
            )
        yield
    finally:
        if file:
            file.close()


def holder(run: Path) -> str:
    """Who trains into a run folder now, in words; empty where nobody does, or that cannot be known."""
    try:
        import fcntl

        with (run / "lock").open(encoding="utf-8", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return _holder(file) if error.errno in TAKEN else ""
    except (ImportError, OSError):
        pass
    return ""


def _take(run: Path) -> tuple[TextIO | None, str]:
    """The locked file, or who has locked it."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None, ""
    file = (run / "lock").open("a+", encoding="utf-8", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with file:
            return None, _holder(file) if error.errno in TAKEN else ""
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    file.truncate(0)
    file.write(dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
    file.flush()
    return file, ""


def _holder(file: TextIO) -> str:
    """Who wrote the file, in words; its content only tells, so anything will do."""
    file.seek(0)
    try:
        told = json.loads(file.read())
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
