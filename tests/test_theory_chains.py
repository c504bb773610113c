"""The chain rule by enumeration: every order serves a full table, and few serve what is restricted."""

from __future__ import annotations

import itertools

import pytest
import torch

from counterfeit.report.theory import digit_bits
from counterfeit.report.theory import order as order_lesson
from counterfeit.theory import chains, counting, information

N = 5
ORDERS = [*itertools.permutations(range(N))]


def simplex(seed: int, n: int = N) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2**n, generator=generator, dtype=torch.float64).log().neg().softmax(0)


P = simplex(0)
CHAIN = counting.table("chain", N, torch.tensor([0.2, -1.5, 1.8, 2.0, -1.0, -2.2, 0.7, 1.1, -1.9]))


def test_marginals_are_sums_over_all_others():
    p = P.view([2] * N)
    assert torch.allclose(chains.marginal(P, [3]), p.sum((0, 1, 2, 4)))
    assert torch.allclose(chains.marginal(P, [4, 1]).view(2, 2), p.sum((0, 2, 3)).mT)
    assert torch.equal(chains.marginal(P, range(N)), P)


@pytest.mark.parametrize("order", ORDERS[::7])
def test_with_all_before_it_every_order_gives_the_distribution_itself(order):
    assert torch.allclose(chains.factorized(P, order, N - 1), P, rtol=1e-12)
    assert float(chains.excess(P, order, N - 1)) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("memory", range(N))
@pytest.mark.parametrize("order", ORDERS[::17])
def test_excess_is_the_divergence_of_the_factorized_distribution(order, memory):
    q = chains.factorized(P, order, memory)
    assert float(q.sum()) == pytest.approx(1)
    assert float(information.kl(P, q)) == pytest.approx(float(chains.excess(P, order, memory)), abs=1e-13)


def test_no_chain_is_nearer_than_the_factorized_distribution():
    best = float(chains.excess(P, range(N), 1))
    for seed in range(200):
        theta = torch.randn(2 * N - 1, generator=torch.Generator().manual_seed(seed))
        assert float(information.kl(P, counting.table("chain", N, theta))) > best


def test_excess_falls_as_memory_grows():
    for order in ORDERS[::11]:
        found = torch.stack([chains.excess(P, order, memory) for memory in range(N)])
        assert (found.diff() < 1e-14).all()


def test_a_chain_is_a_chain_from_either_end_and_in_no_other_order():
    free = [order for order in ORDERS if float(chains.excess(CHAIN, order, 1)) < 1e-12]
    assert free == [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0)]


def test_a_memory_of_one_saves_the_mutual_information_of_neighbours():
    for order in ORDERS[::13]:
        pairs = [chains.marginal(P, pair).view(2, 2) for pair in itertools.pairwise(order)]
        saved = sum(float(information.mutual_information(pair)) for pair in pairs)
        apart = float(chains.excess(P, order, 0) - chains.excess(P, order, 1))
        assert apart == pytest.approx(saved, abs=1e-13)


def test_order_does_not_matter_to_independent_variables():
    assert len({round(float(chains.excess(P, order, 0)), 12) for order in ORDERS}) == 1


@pytest.mark.parametrize(
    ("p", "order", "memory", "message"),
    [
        ([0.5, 0.2, 0.3], (0, 1), 1, r"shape \(3,\) came"), ([0.25] * 4, (0, 0), 1, "a permutation of 0 to 1"),
        ([0.25] * 4, (0, 1), -1, "memory=-1"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(p, order, memory, message):
    for function in (chains.factorized, chains.excess):
        with pytest.raises(ValueError, match=message):
            function(p, order, memory)


def test_marginals_of_the_same_variable_twice_are_refused():
    with pytest.raises(ValueError, match="different ones from 0 to 1"):
        chains.marginal([0.25] * 4, [1, 1])


def test_what_the_lesson_says_of_five_bits_holds():
    assert [finding.what for finding in order_lesson._exact("bits") if not finding.holds] == []


def test_tables_of_digits_have_the_parameters_that_theory_counts():
    found = digit_bits.tables(2)
    assert found.parameters == counting.markov(2).count(64)
    assert found.test.shape == (250,)
    independent = digit_bits.tables(0)
    gained, error = digit_bits.below(found.test, independent.test)
    assert gained > 5 * error > 0
    assert found.train > independent.train


def test_a_memory_of_one_makes_a_logistic_regression_a_table():
    fitted, table = digit_bits.logistic(1), digit_bits.tables(1)
    assert fitted.parameters == table.parameters == 127
    assert float((fitted.test - table.test).mean()) == pytest.approx(0, abs=0.15)
