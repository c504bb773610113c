"""Convergence over distributions, circles over parameters, and the number of parameters, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from counterfeit.theory import convergence, counting, information

P, Q = [0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("lr", [0.1, 0.5, 1.0])
def test_divergence_falls_at_every_step_over_distributions(lr):
    path = convergence.descend(P, Q, 100, lr)
    divergence = information.jsd(torch.tensor(P).double().expand_as(path), path)
    # below 1e-14 the digits end
    assert (divergence.diff() < 0)[divergence[:-1] > 1e-14].all()
    assert torch.allclose(path.sum(1), torch.ones(101).double())


def test_a_full_step_goes_half_the_way():
    p, q = torch.tensor(P).double(), torch.tensor(Q).double()
    halves = p + (q - p) * 0.5 ** torch.arange(11).double()[:, None]
    assert torch.allclose(convergence.descend(P, Q, 10, 1.0), halves)


def test_an_outcome_that_data_lack_is_given_up():
    assert float(convergence.descend([1.0, 0.0], [0.5, 0.5], 200, 0.5)[-1, 1]) < 1e-12


def test_a_step_is_the_gradient_of_the_cost():
    p, q = torch.tensor(P).double(), torch.tensor(Q).double().requires_grad_()
    d = (p / (p + q)).detach()
    value = (p * d.log() + q * (1 - d).log()).sum()  # V(G, D*) with D* held fixed, as Algorithm 1 does
    (gradient,) = torch.autograd.grad(value, q)
    step = (q.detach() * (-0.01 * gradient).exp()) / (q.detach() * (-0.01 * gradient).exp()).sum()
    assert torch.allclose(convergence.descend(P, Q, 1, 0.01)[1], step)


@pytest.mark.parametrize("lr", [0.0, 1.5])
def test_learning_rate_out_of_range_is_refused(lr):
    with pytest.raises(ValueError, match="more than 0 and at most 1"):
        convergence.descend(P, Q, 1, lr)


def test_moving_at_once_grows_the_radius_by_the_closed_form_in_every_step():
    radius = convergence.play("bilinear", (1.0, 0.5), 0.1, 50).norm(dim=1)
    assert torch.allclose(radius[1:] / radius[:-1], torch.tensor(math.sqrt(1 + 0.1**2)).double())


def test_taking_turns_keeps_a_quadratic_form():
    theta, psi = convergence.play("bilinear", (1.0, 0.5), 0.1, 500, "alternating").T
    kept = theta**2 + psi**2 - 0.1 * theta * psi
    assert torch.allclose(kept, kept[0])


@pytest.mark.parametrize("game", ["bilinear", "dirac"])
@pytest.mark.parametrize("order", ["simultaneous", "alternating", "extragradient"])
@pytest.mark.parametrize("r1", [0.0, 0.3, 50.0])
def test_growth_is_the_largest_eigenvalue_of_the_step(game, order, r1):
    at = lambda start: convergence.play(game, start, 0.1, 1, order, r1)[1]  # noqa: E731
    tiny = 1e-9  # so near to the equilibrium the step is linear
    jacobian = torch.stack([at((tiny, 0.0)), at((0.0, tiny))], 1) / tiny
    largest = float(torch.linalg.eigvals(jacobian).abs().max())
    assert convergence.growth(game, 0.1, order, r1) == pytest.approx(largest, rel=1e-6)


def test_extragradient_shrinks_the_radius_by_the_closed_form_in_every_step():
    radius = convergence.play("bilinear", (1.0, 0.5), 0.3, 50, "extragradient").norm(dim=1)
    assert torch.allclose(radius[1:] / radius[:-1], torch.tensor(math.sqrt(1 - 0.3**2 + 0.3**4)).double())


def test_extragradient_takes_the_gradient_of_where_a_step_would_lead():
    ahead = convergence.play("dirac", (0.7, -0.4), 0.2, 1, r1=0.3)[1].tolist()
    there = convergence.play("dirac", tuple(ahead), 0.2, 1, r1=0.3)[1] - torch.tensor(ahead).double()
    moved = convergence.play("dirac", (0.7, -0.4), 0.2, 1, "extragradient", r1=0.3)[1]
    assert torch.allclose(moved, torch.tensor([0.7, -0.4]).double() + there, atol=1e-7)


def test_the_mean_of_taking_turns_is_what_the_other_player_has_moved():
    theta, psi = convergence.play("bilinear", (1.0, 0.5), 0.1, 500, "alternating").T
    assert float(psi[:-1].mean()) == pytest.approx(float(theta[0] - theta[-1]) / (0.1 * 500))
    assert float(theta[1:].mean()) == pytest.approx(float(psi[-1] - psi[0]) / (0.1 * 500))


def test_the_dirac_game_runs_away_and_its_penalty_brings_it_back():
    start = (1.0, 0.5)
    away = convergence.play("dirac", start, 0.1, 500)[-1].norm()
    home = convergence.play("dirac", start, 0.1, 500, r1=0.3)[-1].norm()
    assert away > 1.5
    assert home < 1e-2


def test_a_step_of_the_dirac_game_is_the_gradient_of_its_value():
    point = torch.tensor([0.7, -0.4], dtype=torch.float64, requires_grad=True)
    value = -torch.nn.functional.softplus(-point[0] * point[1]) - 0.3 / 2 * point[1] ** 2
    (gradient,) = torch.autograd.grad(value, point)
    moved = convergence.play("dirac", (0.7, -0.4), 0.1, 1, r1=0.3)[1]
    assert torch.allclose(moved, point.detach() + 0.1 * gradient * torch.tensor([-1.0, 1.0]))


def test_unknown_game_is_refused():
    with pytest.raises(ValueError, match="bilinear or dirac"):
        convergence.play("chess", (1.0, 0.0), 0.1, 1)


@pytest.mark.parametrize("family", ["full", "independent", "chain", "logistic"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tables_sum_to_one_and_no_parameter_is_superfluous(family, n):
    count = {"full": 2**n - 1, "independent": n, "chain": 2 * n - 1, "logistic": n * (n + 1) // 2}[family]
    theta = torch.randn(count, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    assert counting.FAMILIES[family].count(n) == count
    assert float(counting.table(family, n, theta).sum()) == pytest.approx(1)
    assert counting.dimension(family, n) == count


@pytest.mark.parametrize("order", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_markov_chains_of_any_order_have_no_superfluous_parameter(order, n):
    family = counting.markov(order)
    assert family.count(n) == sum(2 ** min(i, order) for i in range(n))
    theta = torch.randn(family.count(n), generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    assert float(counting.table(family, n, theta).sum()) == pytest.approx(1)
    assert counting.dimension(family, n) == family.count(n)


def test_the_full_chain_rule_has_as_many_parameters_as_the_full_table():
    for n in range(1, 12):
        assert sum(2**i for i in range(n)) == counting.markov(n - 1).count(n) == counting.cells([2] * n)


def test_a_pixel_of_three_channels_has_sixteen_million_parameters():
    assert counting.cells((256, 256, 256)) == 256**3 - 1 == counting.markov(23).count(24)


def test_parameters_of_a_categorical_table_are_its_cells_less_one():
    theta = torch.randn(24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert counting.rank(theta.softmax(0), [theta]) == counting.cells((2, 3, 4)) == 23


def test_a_chain_of_order_two_knows_the_two_variables_before():
    table = counting.table(counting.markov(2), 4, torch.arange(11.0) / 3 - 1).view(2, 2, 2, 2)
    after = table[..., 1] / table.sum(-1)  # p(x₄ = 1 | x₁, x₂, x₃)
    assert torch.allclose(after[0], after[1])
    logits = torch.arange(7.0, 11.0).double() / 3 - 1  # after 00, 01, 10, 11
    assert torch.allclose(after[0].flatten(), logits.sigmoid())


def test_logistic_conditionals_are_those_of_a_sigmoid_belief_network():
    theta = torch.tensor([0.3, -0.5, 0.2, 1.0, -2.0, 0.7])  # biases, then weights of x₂ and of x₃
    table = counting.table("logistic", 3, theta).view(2, 2, 2)
    after = table[..., 1] / table.sum(-1)
    x1, x2 = torch.meshgrid(torch.arange(2.0), torch.arange(2.0), indexing="ij")
    assert torch.allclose(after, torch.sigmoid(0.2 - 2 * x1 + 0.7 * x2).double())


def test_a_chain_forgets_all_but_the_variable_before():
    table = counting.table("chain", 3, torch.tensor([0.3, -1.0, 2.0, 0.5, -0.7])).view(2, 2, 2)
    after = table[..., 1] / table.sum(-1)  # p(x₃ = 1 | x₁, x₂)
    assert torch.allclose(after[0], after[1])
    assert float(table.sum((1, 2))[1]) == pytest.approx(1 / (1 + math.exp(-0.3)))
    assert after[0].tolist() == pytest.approx([1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(0.7))])


def test_independent_variables_are_independent():
    table = counting.table("independent", 2, torch.tensor([0.4, -1.2])).view(2, 2)
    assert float(information.mutual_information(table)) == pytest.approx(0, abs=1e-12)


def test_bad_families_are_refused():
    with pytest.raises(ValueError, match="1 to 12 variables"):
        counting.states(13)
    with pytest.raises(ValueError, match=r"chain over n=3 expects \(5,\)"):
        counting.table("chain", 3, torch.zeros(4))
    with pytest.raises(ValueError, match="full, independent, chain, logistic"):
        counting.dimension("ring", 3)
    with pytest.raises(ValueError, match="order=-1"):
        counting.markov(-1)
    with pytest.raises(ValueError, match="at least one variable"):
        counting.cells([])


def test_what_has_no_probability_stays_without():
    path = convergence.descend([0.5, 0.5, 0.0], [0.9, 0.1, 0.0], steps=20)
    assert bool(torch.isfinite(path).all())
    assert path[-1].tolist() == pytest.approx([0.5, 0.5, 0.0], abs=0.01)
