"""Captions and texts as rows of numbers, and back."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["UNKNOWN", "Tokens", "caption", "encode", "pieces", "rows", "said", "split", "vocabulary", "words_of"]

Tokens = Literal["words", "characters"]
UNKNOWN = "<unk>"  # stands for every piece of a text that the vocabulary lacks


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


def pieces(text: str, tokens: Tokens) -> list[str]:
    """A text as words, in small letters, and marks, or as characters.

    Example:
        >>> pieces("It's a cat, no?", "words")
        ["it's", 'a', 'cat', ',', 'no', '?']
    """
    return [*text] if tokens == "characters" else re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text.lower())


def words_of(texts: Iterable[Sequence[str]], least: int) -> tuple[str, ...]:
    """The vocabulary of texts in pieces: what occurs `least` times, the most frequent first, behind `UNKNOWN`."""
    counts = Counter(piece for text in texts for piece in text)
    frequent = sorted((piece for piece, n in counts.items() if n >= least), key=lambda piece: (-counts[piece], piece))
    return (UNKNOWN, *frequent)


def rows(texts: Sequence[Sequence[str]], words: Sequence[str], length: int) -> Tensor:
    """Tokens of texts in pieces, of at most `length`, int64 (N, length); see `said` for the way back.

    Example:
        >>> rows([["a", "dog"], ["a", "cat"]], ["<unk>", "a", "cat"], 3)
        tensor([[2, 1, 0],
                [2, 3, 0]])
    """
    places = {word: token for token, word in enumerate(words, 1)}
    filled = [[places.get(piece, places[UNKNOWN]) for piece in text] + [0] * (length - len(text)) for text in texts]
    return torch.tensor(filled, dtype=torch.int64).reshape(len(texts), length)


def said(tokens: Tensor, words: Sequence[str], kind: Tokens) -> str:
    """What a row of tokens, (length,), says; marks stand at the word before them.

    Example:
        >>> said(torch.tensor([1.0, 2.0, 3.0, 0.0]), ["no", ",", "cat"], "words")
        'no, cat'
    """
    found = [words[int(token) - 1] for token in tokens.tolist() if token]
    return "".join(found) if kind == "characters" else re.sub(r" ([,.;:!?)])", r"\1", " ".join(found))
