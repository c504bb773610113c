"""Lines of a text file: a line is an example, of words or of characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import get_args

from torch import Tensor

from counterfeit.common.files import DataError, read_text, write_text
from counterfeit.core import Spec
from counterfeit.data.folder_layout import deal, shuffled
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick
from counterfeit.data.tokenizer import Tokens, pieces, rows, said, words_of

__all__ = ["TEXT", "Lines", "Text", "read_lines", "write_lines"]

TEXT = ".txt"

LONGEST = {"words": 40, "characters": 160}  # of lines that are taken, where nobody says another length


class Text(Source):
    """Texts as tokens: 0 ends one, and i stands for `spec.vocabulary[i - 1]`, of which the first is any unknown one.

    Subclasses call `_hold`.
    """

    tokens: Tokens = "words"

    def _hold(self, texts: Mapping[str, Sequence[str]], length: int, words: Sequence[str]) -> None:
        """Keep the texts of each split as tokens."""
        self.spec = Spec((length,), "tokens", vocabulary=tuple(words))
        self._held = {name: InMemory(self.encode(some)) for name, some in texts.items()}

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._held, name)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the content."""
        return super().fingerprint

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts as examples, float32 (N, T).

        Raises:
            DataError: one is empty or too long.
        """
        held, longest = [pieces(text, self.tokens) for text in texts], self.spec.dims
        for text, found in zip(texts, held, strict=True):
            if not 1 <= len(found) <= longest:
                came = f"{text[:40]!r} has {len(found)} {self.tokens}"
                raise DataError(f"{came}; 1 to {longest} are expected. Shorten or fill it.")
        return rows(held, self.spec.vocabulary, longest).float()

    def decode(self, x: Tensor) -> list[str]:
        """What examples, (N, T), say."""
        self.spec.check(x, self.name)
        return [said(row, self.spec.vocabulary, self.tokens) for row in x]


class Lines(Text):
    """Lines of a file of UTF-8 text.

    The vocabulary is that of the training lines. Equal lines stay in one split.

    Arguments:
        path: a .txt.
        tokens: "words", in small letters, and marks; or "characters", as they are.
        longest: number of tokens that a line may have; longer ones are left out. 40 words or 160 characters where None.
        least: how often a token occurs in training if it is to be known; 2 where None, and 1 in fewer than 100 lines.
        seed: of the splits.

    Raises:
        DataError: the file cannot be read, or has no line that is short enough.
    """

    name = "text"
    summary = "a .txt file: a line is an example, of words or of characters"

    def __init__(
        self, path: str | Path, tokens: Tokens = "words", longest: int | None = None, least: int | None = None,
        seed: int = 0,
    ) -> None:  # fmt: skip
        if tokens not in get_args(Tokens):
            raise DataError(f"data.options.tokens {tokens!r} came; {' or '.join(get_args(Tokens))} is expected.")
        longest = LONGEST[tokens] if longest is None else longest
        if longest < 1 or (least is not None and least < 1):
            raise DataError(f"longest={longest}, least={least} came; at least 1 is expected of both. Raise them.")
        self.tokens = tokens
        lines = read_lines(path)
        parts = {line: pieces(line, tokens) for line in {*lines}}
        counts = Counter(line for line in lines if 1 <= len(parts[line]) <= longest)
        if not counts:
            if not any(parts.values()):
                raise DataError(f"{path} has no line with a word in it; some are expected. Write one a line.")
            raise DataError(
                f"{path} has no line of 1 to {longest} {tokens}; some are expected. Raise data.options.longest."
            )
        known = sorted(counts)
        order = shuffled([f"{seed}:{line}" if seed else line for line in known], range(len(known)))
        places, said_of_splits = deal({"train": order, "valid": (), "test": ()}, None, ())
        texts = {name: [known[i] for i in places[name] for _ in range(counts[known[i]])] for name in SPLITS}
        least = (2 if len(lines) >= 100 else 1) if least is None else least
        words = words_of((parts[line] for line in texts["train"]), least)
        left = len(lines) - counts.total()
        remark = f"{left:,} of {len(lines):,} lines are empty or have more than {longest} {tokens} and are left out"
        self.warning = "; ".join(filter(None, [said_of_splits, remark if left else ""]))
        self._hold(texts, max(len(parts[line]) for line in counts), words)


def read_lines(path: str | Path) -> list[str]:
    """The lines of a file of UTF-8 text, without blanks around them.

    Raises:
        DataError: it cannot be read.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path} is no file. Give a .txt that is there.")
    return [line.strip() for line in read_text(path).splitlines()]


def write_lines(lines: Sequence[str], path: Path) -> None:
    """Write lines to a file of UTF-8 text."""
    write_text(path, "".join(f"{line}\n" for line in lines))
