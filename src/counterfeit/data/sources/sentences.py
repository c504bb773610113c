"""Sentences of a small grammar, whose probabilities are known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from counterfeit.data.source import SPLITS
from counterfeit.data.sources.text_lines import Text

__all__ = ["Sentences"]

SIZES = {"train": 20_000, "valid": 2_000, "test": 2_000}
CLASSES: Mapping[str, str] = {
    "determiner/s": "the a every this that my", "determiner/p": "the some many these those my",
    "adjective": "small old red quiet young tall happy green strange blue tired clever",
    "noun/s": "dog teacher cat king doctor child bird painter sailor horse thief queen baker fox",
    "noun/p": "dogs teachers cats kings doctors children birds painters sailors horses thieves queens bakers foxes",
    "moves/s": "sleeps runs sings waits laughs falls dances",
    "moves/p": "sleep run sing wait laugh fall dance",
    "acts/s": "sees follows paints helps finds knows likes forgets",
    "acts/p": "see follow paint help find know like forget",
    "adverb": "often slowly never always today quietly again",
    "preposition": "in near behind under beside",
    "place": "house garden river tower forest market harbour school",
    "join": "and but while because",
}  # fmt: skip
# A sentence of each pattern; N stands for a noun with its verb in the singular or in the plural, also far behind it.
PATTERNS: Mapping[str, float] = {
    "determiner/N noun/N moves/N .": 10,
    "determiner/N noun/N moves/N adverb .": 12,
    "determiner/N adjective noun/N moves/N .": 10,
    "determiner/N noun/N acts/N determiner/M noun/M .": 16,
    "determiner/N adjective noun/N acts/N determiner/M noun/M .": 10,
    "determiner/N noun/N acts/N determiner/M adjective noun/M .": 10,
    "determiner/N noun/N preposition the place moves/N .": 8,
    "determiner/N noun/N that acts/N determiner/M noun/M moves/N .": 8,
    "determiner/N noun/N moves/N preposition the place .": 10,
    "determiner/N noun/N moves/N join determiner/M noun/M moves/M .": 6,
}
NUMBERS = {"s": 0.6, "p": 0.4}


class Sentences(Text):
    """24,000 sentences of ten patterns, singular or plural, in 105 words, of 3 to 7 words and a full stop.

    Words of a class follow Zipf's law in their order. So the probability of every sentence, and with it the best that a
    model can reach, is known: `log_prob`.

    Example:
        >>> source = Sentences()
        >>> source.decode(source.split("test").first(1).x)[0].endswith(".")
        True
    """

    name = "sentences"
    summary = "24,000 sentences of a small grammar, whose probabilities are known"

    def __init__(self) -> None:
        words = sorted({word for line in (*CLASSES.values(), "the that .") for word in line.split()})
        patterns = [pattern for pattern, _ in _patterns()]
        length = max(len(pattern) for pattern in patterns)
        self._words = ["<unk>", *words]
        drawn = {name: self._draw(SIZES[name], seed) for seed, name in enumerate(SPLITS)}
        self._hold(drawn, length, self._words)

    def _draw(self, n: int, seed: int) -> list[str]:
        random = np.random.RandomState(seed)  # legacy: its stream is frozen
        which = random.choice(len(_patterns()), n, p=[weight for _, weight in _patterns()])
        texts = np.empty(n, object)
        for k, (pattern, _) in enumerate(_patterns()):
            at = np.flatnonzero(which == k)
            columns = [random.choice([*_shares(name)], len(at), p=[*_shares(name).values()]) for name in pattern]
            texts[at] = [" ".join(words) for words in zip(*columns, strict=True)]
        return texts.tolist()

    @cached_property
    def _table(self) -> tuple[Tensor, Tensor]:
        """Log weights of the patterns, (K,), and log-probabilities of each token in each place, (K, T, tokens)."""
        places = {word: token for token, word in enumerate(self._words, 1)}
        table = torch.full((len(_patterns()), self.spec.dims, len(self._words) + 1), -torch.inf, dtype=torch.float64)
        for k, (pattern, _) in enumerate(_patterns()):
            for t in range(self.spec.dims):
                found = _shares(pattern[t]) if t < len(pattern) else {}
                for word, share in found.items():
                    table[k, t, places[word]] = np.log(share)
                if not found:
                    table[k, t, 0] = 0.0
        return torch.tensor([weight for _, weight in _patterns()], dtype=torch.float64).log(), table

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-probability of sentences in nats, (B, T) -> (B,)."""
        weights, table = self._table
        each = table[:, torch.arange(x.shape[1]), x.long().cpu()]  # (K, B, T)
        return (weights[:, None] + each.sum(2)).logsumexp(0).to(x)


@cache
def _patterns() -> list[tuple[tuple[str, ...], float]]:
    """Every pattern with its numbers, as classes or words, and its probability."""
    found, total = list[tuple[tuple[str, ...], float]](), sum(PATTERNS.values())
    for pattern, weight in PATTERNS.items():
        for first, p in NUMBERS.items():
            for second, q in NUMBERS.items() if "/M" in pattern else (("", 1.0),):
                names = pattern.replace("/N", f"/{first}").replace("/M", f"/{second}").split()
                found.append((tuple(names), weight / total * p * q))
    return found


@cache
def _shares(name: str) -> Mapping[str, float]:
    """Words of a class by their probability, or a word alone."""
    words: Sequence[str] = CLASSES[name].split() if name in CLASSES else [name]
    weights = 1 / np.arange(1, len(words) + 1)
    return dict(zip(words, (weights / weights.sum()).tolist(), strict=True))
