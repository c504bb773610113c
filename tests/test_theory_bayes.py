"""Bayes' rule against enumeration, exact fractions, torch.distributions and scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.naive_bayes import BernoulliNB
from torch.distributions import Bernoulli, MixtureSameFamily, Normal
from torch.distributions import Categorical as Outcomes

from counterfeit.theory import bayes, counting

GENERATOR = torch.Generator().manual_seed(0)
PRIOR = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
RATES = torch.rand(3, 5, generator=GENERATOR, dtype=torch.float64)
X = (torch.rand(40, 5, generator=GENERATOR) < 0.5).double()
Z = torch.arange(40) % 3


def test_a_positive_test_for_a_rare_disease():
    found = bayes.posterior([1 / 100, 99 / 100], torch.tensor([9 / 10, 9 / 100]).log())
    assert float(found[0]) == pytest.approx(10 / 109)


def test_posterior_is_the_share_of_the_joint_table():
    table = bayes.joint_table(PRIOR, RATES)
    found = bayes.posterior(PRIOR, bayes.log_likelihood(counting.states(5), RATES))
    assert torch.allclose(found.T, table / table.sum(0))
    assert float(table.sum()) == pytest.approx(1)


def test_marginals_of_the_table_are_prior_and_mixed_rates():
    table = bayes.joint_table(PRIOR, RATES)
    assert torch.allclose(table.sum(1), PRIOR)
    assert torch.allclose(table.sum(0) @ counting.states(5), PRIOR @ RATES)


def test_log_likelihood_is_that_of_bernoulli_variables():
    reference = Bernoulli(RATES).log_prob(X[:, None]).sum(-1)
    assert torch.allclose(bayes.log_likelihood(X, RATES), reference)


def test_evidence_in_parts_gives_the_same_posterior():
    first = bayes.posterior(PRIOR, bayes.log_likelihood(X[:, :2], RATES[:, :2]))
    then = bayes.posterior(first, bayes.log_likelihood(X[:, 2:], RATES[:, 2:]))
    assert torch.allclose(then, bayes.posterior(PRIOR, bayes.log_likelihood(X, RATES)))


def test_likelihoods_that_underflow_have_a_posterior():
    found = bayes.posterior([0.5, 0.5], torch.tensor([-1_000.0, -1_001.0]))
    assert float(found[0]) == pytest.approx(1 / (1 + math.exp(-1)))


def test_posterior_of_a_mixture_is_the_gradient_of_its_log_density():
    """∂ log p(x) / ∂ log p(x | z) = p(z | x)."""
    parts = Normal(torch.tensor([-1.0, 0.0, 2.0]).double(), 0.7)
    mixture = MixtureSameFamily(Outcomes(PRIOR), parts)
    x = torch.linspace(-3, 4, 50, dtype=torch.float64)
    logs = parts.log_prob(x[:, None]).requires_grad_()
    density = (PRIOR.log() + logs).logsumexp(-1)
    assert torch.allclose(density, mixture.log_prob(x))
    (share,) = torch.autograd.grad(density.sum(), logs)
    assert torch.allclose(bayes.posterior(PRIOR, logs.detach()), share)


def test_rates_and_posterior_equal_scikit_learn():
    prior, rates = bayes.fit_rates(X, Z, 3, smoothing=1.0)
    reference = BernoulliNB(alpha=1.0).fit(X.numpy(), Z.numpy())
    assert torch.allclose(rates, torch.from_numpy(reference.feature_log_prob_).exp())
    found = bayes.posterior(prior, bayes.log_likelihood(X, rates))
    assert torch.allclose(found, torch.from_numpy(reference.predict_proba(X.numpy())))


def test_frequencies_are_of_maximum_likelihood():
    prior, rates = bayes.fit_rates(X, Z, 3)
    best = bayes.log_likelihood(X, rates)[range(40), Z].sum() + prior[Z].log().sum()
    shifts = 0.3 * torch.randn(200, 3, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for shift in shifts:
        other = (rates.clamp(1e-6, 1 - 1e-6).logit() + shift[:, :5]).sigmoid()
        chance = (prior.log() + shift[:, 5]).softmax(0)
        assert bayes.log_likelihood(X, other)[range(40), Z].sum() + chance[Z].log().sum() < best


def test_frequencies_of_pairs_sum_over_either_to_those_of_the_other():
    table = bayes.frequencies(Z, X[:, 0].long())
    assert torch.allclose(table.sum(1), bayes.frequencies(Z))
    assert float(table[1, 1]) == pytest.approx(float(X[Z == 1, 0].sum()) / 40)


def test_what_has_no_posterior_is_refused():
    with pytest.raises(ValueError, match="an outcome of probability 0"):
        bayes.posterior([1.0, 0.0], torch.tensor([-math.inf, 0.0]))
    with pytest.raises(ValueError, match="5 variables and rates of 4"):
        bayes.log_likelihood(X, RATES[:, :4])
    with pytest.raises(ValueError, match="1 classes without examples"):
        bayes.fit_rates(X, Z, 4)
