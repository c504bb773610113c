"""Names that nobody knows, answered with the nearest known one."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Collection, Mapping, Sequence

__all__ = ["nearest", "summary"]


def nearest(name: str, known: Collection[str], listing: str = "") -> str:
    """The end of an error message: the known name nearest to `name`, all of them, or what lists them where many.

    A name is near that is `name` in another section, has it among its words or is spelled much like it; else, where
    `known` says what each name stands for, one of which that is said in this word.

    Arguments:
        name: what came; of settings with their section, as `model.noise_dim`.
        known: the names, or what each of them stands for.
        listing: the command that lists them all.

    Example:
        >>> nearest("model.latent", ["model.hidden", "model.latent_dim", "train.lr"])
        "did you mean 'model.latent_dim'?"
        >>> nearest("lr", ["train.lr", "train.lr_decay", "train.parts"])
        "did you mean 'train.lr'?"
        >>> nearest("k", {"steps": "of training", "discriminator_steps": "updates, the `k` of Algorithm 1"})
        "did you mean 'discriminator_steps'?"
    """
    said = known if isinstance(known, Mapping) else {}
    told = _described(name, said)
    alone = told if len(told) == 1 else ()
    found = _elsewhere(name, known) or _containing(name, known) or alone or _alike(name, known) or told
    found = found or _misspelled(name, known)
    if found:
        return f"did you mean {' or '.join(map(repr, found))}?"
    if len(known) <= 20 or not listing:
        return f"known: {', '.join(sorted(known))}"
    return f"`{listing}` lists all {len(known)}"


def _elsewhere(name: str, known: Collection[str]) -> Sequence[str]:
    """The names of any section that are called so in it; the shortest two, which lie at the top."""
    last = name.rpartition(".")[2]
    return sorted((full for full in known if "." in full and full.rpartition(".")[2] == last), key=len)[:2]


def _beside(name: str, known: Collection[str]) -> dict[str, str]:
    """The names of the same section, of any where none is given, by what they are called in it."""
    section = name[: name.rfind(".") + 1]
    if not section:
        return {other.rpartition(".")[2]: other for other in reversed([*known])}  # of equal ones the first
    return {other.removeprefix(section): other for other in known if other.startswith(section)}


def _containing(name: str, known: Collection[str]) -> Sequence[str]:
    """The names that have `name` among their words; of several the shortest two."""
    own = _words(name.rpartition(".")[2])
    longer = [full for short, full in _beside(name, known).items() if _within(own, _words(short))]
    return sorted(longer, key=len)[:2]


def _words(name: str) -> Sequence[str]:
    """Its words in the singular."""
    return [re.sub(r"(?<=ss)es$|(?<!s)s$", "", word) for word in re.split(r"[-_]", name)]


def _within(few: Sequence[str], many: Sequence[str]) -> bool:
    return any(many[at : at + len(few)] == few for at in range(len(many) - len(few) + 1))


def _alike(name: str, known: Collection[str]) -> Sequence[str]:
    """The name of the same section that is spelled much like it; what the section is called says nothing."""
    beside = _beside(name, known)
    return [beside[short] for short in difflib.get_close_matches(name.rpartition(".")[2], beside, n=1, cutoff=0.6)]


def _described(name: str, said: Mapping[str, str]) -> Sequence[str]:
    """Up to two names of which this word is said, or all of its words are."""
    whole = name.rpartition(".")[2]
    found = [full for full in _beside(name, said).values() if _says(said[full], [whole])]
    found = found or [full for full in _beside(name, said).values() if _says(said[full], re.split(r"[-_]", whole))]
    return found if len(found) <= 2 else ()


def _says(text: str, words: Sequence[str]) -> bool:
    return all(re.search(rf"(?i)(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words)


def _misspelled(name: str, known: Collection[str]) -> Sequence[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=0.75)


def summary(cls: type) -> str:
    """The first sentence of what a class says of itself, for listings."""
    return (inspect.getdoc(cls) or "").split("\n")[0].rstrip(".")
