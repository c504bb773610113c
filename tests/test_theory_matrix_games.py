"""Games of finitely many strategies: enumeration, closed forms and linear programs, which agree."""

from __future__ import annotations

import math

import pytest
import torch

from counterfeit.theory import matrix_games
from counterfeit.theory.matrix_games import MatrixGame, zero_sum

YEARS = torch.tensor([[1.0, 3.0], [0.0, 2.0]])
DILEMMA = MatrixGame(-YEARS, -YEARS.T)
STONE = zero_sum(torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]))  # stone, paper, scissors


def random_table(seed: int, rows: int = 4, columns: int = 6) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_only_equilibrium_of_the_dilemma_is_what_neither_wants():
    assert matrix_games.pure_equilibria(DILEMMA) == [(1, 1)]
    assert DILEMMA.row[0, 0] > DILEMMA.row[1, 1]
    assert DILEMMA.column[0, 0] > DILEMMA.column[1, 1]


def test_a_game_may_have_several_equilibria():
    meet = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert matrix_games.pure_equilibria(MatrixGame(meet, meet.T)) == [(0, 0), (1, 1)]
    x, y = matrix_games.mixed_equilibrium(MatrixGame(meet, meet.T))
    assert x.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert y.tolist() == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize("seed", range(5))
def test_pure_equilibria_are_the_cells_that_nobody_gains_by_leaving(seed):
    game = MatrixGame(random_table(seed).round(), random_table(seed + 100).round())
    rows, columns = torch.eye(4), torch.eye(6)
    still = [(i, j) for i in range(4) for j in range(6) if matrix_games.gains(game, rows[i], columns[j]).max() == 0]
    assert matrix_games.pure_equilibria(game) == still


@pytest.mark.parametrize("seed", range(5))
def test_programs_of_both_players_agree_and_nobody_gains(seed):
    table = random_table(seed)
    solved = matrix_games.solve(table)
    assert solved.value == pytest.approx(-matrix_games.solve(-table.T).value)
    assert float(solved.row @ table @ solved.column) == pytest.approx(solved.value)
    assert matrix_games.gains(zero_sum(table), solved.row, solved.column).max() < 1e-9


def test_stone_paper_scissors_is_fair_and_even():
    solved = matrix_games.solve(STONE.row)
    assert solved.value == pytest.approx(0, abs=1e-12)
    assert torch.allclose(solved.row, torch.full((3,), 1 / 3).double())
    assert matrix_games.pure_equilibria(STONE) == []


@pytest.mark.parametrize("seed", range(20))
def test_closed_form_of_two_by_two_equals_the_linear_program(seed):
    game = zero_sum(random_table(seed, 2, 2))
    solved = matrix_games.solve(game.row)
    if pure := matrix_games.pure_equilibria(game):
        assert float(game.row[pure[0]]) == pytest.approx(solved.value)
        with pytest.raises(ValueError, match="one strategy to prefer"):
            matrix_games.mixed_equilibrium(game)
    else:
        x, y = matrix_games.mixed_equilibrium(game)
        assert torch.allclose(x, solved.row)
        assert torch.allclose(y, solved.column)


def test_other_games_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) is expected"):
        matrix_games.mixed_equilibrium(STONE)
    with pytest.raises(ValueError, match=r"sum to 1\.1"):
        matrix_games.gains(STONE, [0.5, 0.5, 0.1], [1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="finite ones"):
        matrix_games.solve(torch.tensor([[1.0, math.nan]]))
