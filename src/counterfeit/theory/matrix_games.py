"""Games of two players with finitely many strategies: best responses, equilibria, and what leaving one would gain.

References:
    Zur Theorie der Gesellschaftsspiele, von Neumann, 1928.
    Non-Cooperative Games, Nash, 1951.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.theory.information import Probabilities, distribution

__all__ = ["MatrixGame", "Solution", "gains", "mixed_equilibrium", "pure_equilibria", "solve", "zero_sum"]


class MatrixGame(NamedTuple):
    """What the players receive where one plays a row and the other a column, (M, N) each; more is better for both."""

    row: Tensor
    column: Tensor


class Solution(NamedTuple):
    """The value of a zero-sum game for the row player, and mixed strategies of both, (M,) and (N,)."""

    value: float
    row: Tensor
    column: Tensor


def zero_sum(payoffs: Tensor) -> MatrixGame:
    """The game in which the column player pays `payoffs`, (M, N), to the row player."""
    return MatrixGame(payoffs, -payoffs)


def gains(game: MatrixGame, row: Probabilities, column: Probabilities) -> Tensor:
    """The most that either player could gain by another strategy while the other's stays, (2,): 0, 0 at an equilibrium.

    Arguments:
        game: payoffs of both, (M, N).
        row: probabilities of rows, (M,).
        column: probabilities of columns, (N,).

    Example:
        >>> pennies = zero_sum(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        >>> gains(pennies, [1.0, 0.0], [0.5, 0.5])  # the column player could guess
        tensor([0., 1.], dtype=torch.float64)
    """
    x, y = distribution(row), distribution(column)
    of_rows, of_columns = game.row.double() @ y, x @ game.column.double()
    return torch.stack([of_rows.max() - x @ of_rows, of_columns.max() - of_columns @ y])


def pure_equilibria(game: MatrixGame) -> list[tuple[int, int]]:
    """Every cell that is a best response of both players to each other, by enumeration.

    Example:
        >>> pure_equilibria(zero_sum(torch.tensor([[1.0, -1.0], [-1.0, 1.0]])))
        []
    """
    best = (game.row == game.row.max(0).values) & (game.column == game.column.max(1, keepdim=True).values)
    return [(int(i), int(j)) for i, j in best.nonzero()]


def mixed_equilibrium(game: MatrixGame) -> tuple[Tensor, Tensor]:
    """Mixed strategies of a game of two rows and two columns, (2,) each, in closed form.

    Each player mixes so that the *other* is indifferent between both of its strategies.

    Raises:
        ValueError: where no equilibrium has both players mix.

    Example:
        >>> mixed_equilibrium(zero_sum(torch.tensor([[2.0, -1.0], [-1.0, 1.0]])))
        (tensor([0.4000, 0.6000], dtype=torch.float64), tensor([0.4000, 0.6000], dtype=torch.float64))
    """
    if game.row.shape != (2, 2) or game.column.shape != (2, 2):
        raise ValueError(f"a game of shape {tuple(game.row.shape)} came; (2, 2) is expected. Use `solve` for others.")
    x, y = _indifference(game.column), _indifference(game.row.T)
    if not (0 < x < 1 and 0 < y < 1):
        raise ValueError("a game came in which a player has one strategy to prefer; use `pure_equilibria` for it.")
    return torch.stack([x, 1 - x]), torch.stack([y, 1 - y])


def _indifference(payoffs: Tensor) -> Tensor:
    """Weight of the first row at which the mean of both rows is the same in both columns."""
    (a, b), (c, d) = payoffs.double()
    return (d - c) / (a - b - c + d)


def solve(payoffs: Tensor) -> Solution:
    """A zero-sum game by linear programming, which gives the row player at least the value whatever the other does.

    The column player minimizes the largest mean payoff of a row; the dual of this program is the row player's.

    Example:
        >>> value, row, column = solve(torch.tensor([[2.0, -1.0], [-1.0, 1.0]]))
        >>> round(value, 4), row
        (0.2, tensor([0.4000, 0.6000], dtype=torch.float64))
    """
    from scipy.optimize import linprog

    if payoffs.ndim != 2 or not bool(torch.isfinite(payoffs).all()):
        raise ValueError(f"payoffs of shape {tuple(payoffs.shape)} came; finite ones, (M, N), are expected.")
    table = payoffs.double().numpy()
    rows, columns = table.shape
    result = linprog(
        c=[0.0] * columns + [1.0],  # least v
        A_ub=[[*line, -1.0] for line in table], b_ub=[0.0] * rows,  # of which no row pays more
        A_eq=[[1.0] * columns + [0.0]], b_eq=[1.0], bounds=[(0, None)] * columns + [(None, None)],
    )  # fmt: skip
    if not result.success:  # every finite game has a value, but digits may end
        raise ValueError(f"payoffs came of which the program says: {result.message} Scale them to the order of 1.")
    row, column = torch.from_numpy(-result.ineqlin.marginals), torch.from_numpy(result.x[:-1])
    return Solution(float(result.fun), row / row.sum(), column / column.sum())
