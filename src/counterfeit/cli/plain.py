"""What is said on terminals and in files that hold no more than ASCII, or another small set of characters."""

from __future__ import annotations

import codecs
import sys

__all__ = ["readable"]

PLAIN = {
    "±": "+-", "−": "-", "–": "-", "—": "-", "…": "...", "≤": "<=", "≥": ">=", "×": "x", "·": ".", "σ": "sigma",
    "β": "beta", "✓": "ok", "↑": "higher", "↓": "lower", "’": "'", "“": '"', "”": '"', "•": "*", "→": "->",
}  # fmt: skip


def readable() -> None:
    """Let standard output and error write anything: characters that their encoding lacks are spelled out."""
    codecs.register_error("counterfeit-plain", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="counterfeit-plain")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end
