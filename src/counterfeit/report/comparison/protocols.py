"""Protocols of several numbers, each clause said once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

__all__ = ["footnoted"]


def footnoted(protocols: Mapping[str, str]) -> list[str]:
    """A line for each protocol by name; what several share stands once, below them, under a letter.

    Clauses of a protocol are parted by semicolons, and the first, which says what is measured, stays; nothing is lost.

    Example:
        >>> footnoted({"fid": "Fréchet distance; 100 samples", "kid": "kernel distance; 100 samples"})
        ['fid: Fréchet distance [a]', 'kid: kernel distance [a]', '[a] 100 samples']
    """
    clauses = {name: protocol.split("; ") for name, protocol in protocols.items()}
    counts = Counter(clause for own in clauses.values() for clause in dict.fromkeys(own[1:]))
    shared = [clause for clause, count in counts.items() if count > 1]
    letters = {clause: _letter(place) for place, clause in enumerate(shared)}
    lines = []
    for name, own in clauses.items():
        alone = "; ".join([own[0], *(clause for clause in own[1:] if clause not in letters)])
        marks = ", ".join(letters[clause] for clause in own[1:] if clause in letters)
        lines.append(f"{name}: {alone}" + (f" [{marks}]" if marks else ""))
    return [*lines, *(f"[{letter}] {clause}" for clause, letter in letters.items())]


def _letter(place: int) -> str:
    """The letters a to z, and then aa, ab and so on."""
    return (_letter(place // 26 - 1) if place >= 26 else "") + "abcdefghijklmnopqrstuvwxyz"[place % 26]
