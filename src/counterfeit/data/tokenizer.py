"""Captions as rows of numbers, and back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["caption", "encode", "split", "vocabulary"]


def split(text: str) -> list[str]:
    """The words of a text, in small letters and without punctuation.

    Example:
        >>> split("A large, red seven!")
        ['a', 'large', 'red', 'seven']
    """
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


def vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """Every word of `texts`, sorted."""
    return tuple(sorted({word for text in texts for word in split(text)}))


def encode(texts: Sequence[str], words: Sequence[str], length: int) -> Tensor:
    """Tokens of captions, int64 (N, length): i stands for `words[i - 1]`, 0 for nothing more.

    Raises:
        ValueError: a word that is unknown, with the known one nearest to it, or a caption without or of too many words.

    Example:
        >>> encode(["A red cat"], ["a", "cat", "red"], 4)
        tensor([[1, 3, 2, 0]])
    """
    places = {word: token for token, word in enumerate(words, 1)}
    rows = []
    for text in texts:
        said = split(text)
        if not 1 <= len(said) <= length:
            raise ValueError(f"{text!r} has {len(said)} words; 1 to {length} are expected. Shorten or fill it.")
        for word in said:
            if word not in places:
                near = difflib.get_close_matches(word, words, n=1, cutoff=0.0)[0]
                raise ValueError(f"the word {word!r} came; one of {len(words)} known words is expected. Try {near!r}.")
        rows.append([places[word] for word in said] + [0] * (length - len(said)))
    return torch.tensor(rows)


def caption(tokens: Tensor, words: Sequence[str]) -> str:
    """What a row of tokens, (length,), says.

    Example:
        >>> caption(torch.tensor([1, 3, 2, 0]), ["a", "cat", "red"])
        'a red cat'
    """
    return " ".join(words[token - 1] for token in tokens.tolist() if token)
