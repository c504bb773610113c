"""Can people tell samples from real data? Statistics of two-alternative forced choices.

A rater sees a real example beside a sample and says which is real: one half right is what guessing gives.

References:
    Detection Theory: A User's Guide, Macmillan & Creelman, 2005.
    Rank Analysis of Incomplete Block Designs, Bradley & Terry, 1952.
    Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data,
        Korn & Graubard, 1998.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.metrics.stats.proportions import binomial_test, interval, wilson

__all__ = [
    "Choices", "Trials", "bradley_terry", "cluster_bootstrap", "columns", "d_prime", "forced_choice", "read_trials",
    "read_wins",
]  # fmt: skip


class Trials(NamedTuple):
    """Answers about one model: whether each was right, bool (N,), and who gave it."""

    correct: Tensor
    raters: Sequence[str]


class Choices(NamedTuple):
    """What answers about one model amount to.

    Arguments:
        share: of right answers.
        n: number of answers.
        p: exact two-sided p value against guessing, as if every answer were independent.
        wilson: 95 % interval of the share, as if every answer were independent.
        d_prime: sensitivity, and its standard error.
        clustered: 95 % interval of the share over raters; None where there is one rater only.
    """

    share: float
    n: int
    p: float
    wilson: tuple[float, float]
    d_prime: tuple[float, float]
    clustered: tuple[float, float] | None


def d_prime(correct: int, trials: int) -> tuple[float, float]:
    """Sensitivity √2 Φ⁻¹(share) and its standard error, with half an answer added to both sides if all are alike.

    Example:
        >>> round(d_prime(60, 100)[0], 4)
        0.3583
    """
    if not 0 <= correct <= trials or trials < 1:
        raise ValueError(f"{correct} of {trials} came; a trial at least, and no more right answers, are expected.")
    share = correct / trials if 0 < correct < trials else (correct + 0.5) / (trials + 1)
    z, normal = NormalDist().inv_cdf(share), NormalDist()
    return math.sqrt(2) * z, math.sqrt(2 * share * (1 - share) / trials) / normal.pdf(z)


def cluster_bootstrap(trials: Trials, resamples: int = 2_000, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Standard error and 95 % interval of the share of right answers, raters being drawn with all their answers.

    Answers of one person resemble each other, which intervals over answers do not know. The interval is Wilson's for as
    many independent answers as have that error, more than there are never; where all answers are alike, nothing says
    how much raters differ, and it is that of as many answers as there are raters.
    """
    names, who = _numbered(trials)
    if len(names) < 2:
        raise ValueError(f"{len(names)} rater came; two at least are expected, better ten. Ask more people.")
    right = torch.zeros(len(names), dtype=torch.float64).index_add_(0, who, trials.correct.double())
    share = float(trials.correct.double().mean())
    given = torch.bincount(who, minlength=len(names)).double()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(names), (resamples, len(names)), generator=generator)
    shares = right[drawn].sum(1) / given[drawn].sum(1)
    error = float(shares.std()) * math.sqrt(len(names) / (len(names) - 1))  # few draws of few vary too little
    alike = share * (1 - share) / error**2 if error else len(names)
    return error, interval(share, len(names) if share in (0, 1) else max(1, min(len(who), round(alike))), None)


def forced_choice(trials: Trials) -> Choices:
    """Everything that answers about one model tell.

    Example:
        >>> choices = forced_choice(Trials(torch.arange(100) < 60, ["ann", "bob"] * 50))
        >>> choices.share, round(choices.p, 5)
        (0.6, 0.05689)
    """
    right, n = int(trials.correct.sum()), len(trials.correct)
    if not n or n != len(trials.raters):
        raise ValueError(f"{n} answers of {len(trials.raters)} raters came; one rater for each is expected.")
    clustered = cluster_bootstrap(trials)[1] if len(set(trials.raters)) > 1 else None
    return Choices(right / n, n, binomial_test(right, n), wilson(right, n), d_prime(right, n), clustered)


def bradley_terry(wins: Tensor, steps: int = 100, tolerance: float = 1e-8) -> tuple[Tensor, Tensor]:
    """Log-abilities of several models that were compared in pairs, summing to 0, and their standard errors, (K,) each.

    Generator i wins over j with probability 1 / (1 + exp(aⱼ - aᵢ)).

    Arguments:
        wins: how often model i won over model j, (K, K).
        steps: of Newton's method at most.
        tolerance: largest change of a log-ability at which it has converged.

    Raises:
        ValueError: where some models never won, or never lost, against the others: abilities are then infinite; or
            where it has not converged.

    Example:
        >>> ability, _ = bradley_terry(torch.tensor([[0, 5], [1, 0]]))
        >>> round(float((ability[0] - ability[1]).exp()), 6)
        5.0
    """
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or len(wins) < 2 or bool((wins < 0).any()):
        raise ValueError(f"wins of shape {tuple(wins.shape)} came; (K, K) counts of K >= 2 models are expected.")
    wins = wins.double().clone().fill_diagonal_(0)
    games = wins + wins.T
    if not _connected(wins):
        raise ValueError("some models won, or lost, every comparison with the others. Collect more comparisons.")
    ability = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(steps):
        gradient, information = _slope(wins, games, ability)
        step = torch.linalg.solve(information + 1 / len(wins), gradient)  # all alike may be added to abilities
        step = step / max(1.0, float(step.abs().max()))  # the likelihood is concave, but not quadratic
        ability = ability + step
        if float(step.abs().max()) < tolerance:
            information = _slope(wins, games, ability)[1]
            variance = torch.linalg.inv(information + 1 / len(wins)).diagonal() - 1 / len(wins)
            return ability, variance.clamp(min=0).sqrt()
    raise ValueError(f"abilities did not converge in {steps} steps; some pairs are compared too little. Collect more.")


def _slope(wins: Tensor, games: Tensor, ability: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient, (K,), of the log-likelihood in abilities, and its negative second derivatives, (K, K)."""
    p = (ability[:, None] - ability).sigmoid()
    information = torch.diag((games * p * (1 - p)).sum(1)) - games * p * (1 - p)
    return (wins - games * p).sum(1), information


def read_trials(path: str | Path) -> dict[str, Trials]:
    """Answers by model from a CSV file with the columns rater, model and correct (1 or 0).

    Raises:
        ValueError: for a file or a row that cannot be read, with the number of its line.
    """
    found: dict[str, tuple[list[bool], list[str]]] = {}
    for line, (rater, model, correct) in _rows(path, ("rater", "model", "correct")):
        if correct not in ("0", "1"):
            raise ValueError(f"{path}, line {line}: correct is {correct!r}; 0 or 1 is expected.")
        answers, raters = found.setdefault(model, ([], []))
        answers.append(correct == "1")
        raters.append(rater)
    return {model: Trials(torch.tensor(answers), raters) for model, (answers, raters) in found.items()}


def read_wins(path: str | Path) -> tuple[list[str], Tensor]:
    """Names of models that were compared in pairs, and how often each won over each other one, (K, K).

    Arguments:
        path: a CSV file with the columns winner and loser.

    Raises:
        ValueError: for a file or a row that cannot be read, with the number of its line.
    """
    pairs = []
    for line, (winner, loser) in _rows(path, ("winner", "loser")):
        if winner == loser:
            raise ValueError(f"{path}, line {line}: {winner} is compared with itself; two models are expected.")
        pairs.append((winner, loser))
    names = sorted({name for pair in pairs for name in pair})
    wins = torch.zeros(len(names), len(names), dtype=torch.int64)
    for winner, loser in pairs:
        wins[names.index(winner), names.index(loser)] += 1
    return names, wins


def columns(path: str | Path) -> tuple[str, ...]:
    """The columns that a CSV file names in its first line."""
    return _table(path)[0]


def _table(path: str | Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """The columns of a CSV file, and the number and cells of each line below them that is not empty."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark before the text
            reader = csv.reader(file)
            head, *rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row] or [(1, [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} holds no table ({reason}). Give a CSV file, as text in UTF-8.") from None
    return tuple(head[1]), rows


def _rows(path: str | Path, wanted: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The number of each line, and its cells in the columns `wanted`."""
    named, rows = _table(path)
    if missing := [name for name in wanted if name not in named]:
        lacking, all_of = ", ".join(missing), f"{', '.join(wanted[:-1])} and {wanted[-1]}"
        raise ValueError(f"{path} has no column {lacking}; {all_of} are expected. Add it.")
    if not rows:
        raise ValueError(f"{path} holds no answers; a line for each is expected. Add them.")
    for line, row in rows:
        if len(row) != len(named) or not all(cells := [row[named.index(name)] for name in wanted]):
            raise ValueError(f"{path}, line {line}: a cell is missing; {', '.join(wanted)} are expected. Complete it.")
        yield line, cells


def _numbered(trials: Trials) -> tuple[list[str], Tensor]:
    names = sorted(set(trials.raters))
    return names, torch.tensor([names.index(rater) for rater in trials.raters])


def _connected(wins: Tensor) -> bool:
    """Whether a chain of wins leads from each model to each other one."""
    reach = (wins > 0).double() + torch.eye(len(wins), dtype=torch.float64)
    return bool((torch.linalg.matrix_power(reach.clamp(max=1), len(wins)) > 0).all())
