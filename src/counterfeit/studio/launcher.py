"""Runs one command and keeps its exit status in a file, whoever is still there to wait for it.

It holds a lock meanwhile, so that a studio that was started anew can tell whether the command goes on. A signal that
stops the command, such as Ctrl-C, does not stop this.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["alive", "main", "status"]


def main(place: str, *command: str) -> int:
    """Run a command; its exit status, which is also in `place`.json."""
    import fcntl

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the command has its own handlers
    with Path(f"{place}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            code = subprocess.call(command)
        except OSError as error:
            print(error, file=sys.stderr)
            code = 127
        part = Path(f"{place}.part")
        part.write_text(f'{{"status": {code}}}\n', encoding="utf-8")
        os.replace(part, f"{place}.json")
    return code


def alive(place: Path) -> bool:
    """Whether a launcher with that place goes on."""
    import fcntl

    try:
        with Path(f"{place}.lock").open(encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
    except OSError:
        pass
    return False


def status(place: Path) -> int | None:
    """The exit status of the command; None where it has not ended."""
    try:
        return int(json.loads(Path(f"{place}.json").read_text(encoding="utf-8"))["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
