"""What ends a command: one clear line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

__all__ = ["is_main", "reported"]


def is_main() -> bool:
    """Whether this process speaks for those that `torchrun` started beside it on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def reported(command: Callable[[], int], verb: str) -> int:
    """Run `command`; failures that a person can act on become one line on standard error and a status."""
    try:
        return command()
    except ValueError as error:
        return _say(verb, error, 2, alike=True)
    except BrokenPipeError:  # the reader of our output has gone, as in `counterfeit list recipes | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        run = getattr(stop, "run", None)
        if is_main():
            print(f"\ncounterfeit {verb}: {str(stop) or 'stopped'}", file=sys.stderr)
        if is_main() and run is not None:
            print(f"Go on with: counterfeit resume {run}", file=sys.stderr)
        return int(getattr(stop, "status", 130))
    except (OSError, MemoryError, RuntimeError) as error:
        if not _expected(error):
            raise
        return _say(verb, error, 1, alike=_diverged(error))


def _expected(error: BaseException) -> bool:
    """Failures of the machine or of training; any other RuntimeError is a bug and keeps its traceback."""
    return (
        isinstance(error, (OSError, MemoryError))
        or _diverged(error)
        or any(text in str(error) for text in ("out of memory", "can't allocate memory"))
    )


def _diverged(error: BaseException) -> bool:
    from counterfeit.engine.divergence import DivergedError

    return isinstance(error, DivergedError)


def _say(verb: str, error: BaseException, status: int, alike: bool) -> int:
    """One line; where every process meets it `alike`, as bad input, from one of them."""
    if is_main() or not alike:
        print(f"counterfeit {verb}: error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
    return status
