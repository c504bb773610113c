"""Toy densities: exact, normalized, and what their samples follow."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import chi2
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

from counterfeit.data.sources.toy import Bimodal1D, Gaussian1D, Gaussian2D, Grid, Ring, SwissRoll, TwoMoons

ALL = (Gaussian1D, Bimodal1D, Gaussian2D, Ring, Grid, TwoMoons, SwissRoll)


def isotropic(toy):
    modes = torch.from_numpy(toy.mixture().centers)
    ones = torch.ones(len(modes), dtype=torch.float64)
    return MixtureSameFamily(Categorical(ones), Independent(Normal(modes, toy.std), 1))


def cells(toy, side):
    """Centers (N, D) and volume of the cells of a regular grid over where the density is."""
    x = toy.split("train").x
    low, high = float(x.min()) - 0.5, float(x.max()) + 0.5
    step = (high - low) / side
    axis = low + step * (torch.arange(side, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(*[axis] * x.shape[1]).reshape(-1, x.shape[1]), step ** x.shape[1], low, step


@pytest.mark.parametrize("toy", ALL)
def test_the_density_integrates_to_one(toy):
    points, volume, *_ = cells(toy(), 480)
    assert float(toy().log_prob(points).exp().sum()) * volume == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("toy", [Gaussian1D, Bimodal1D, Ring, Grid])
def test_mixtures_equal_torch(toy):
    x = toy().sample(500).double()
    x = torch.cat((x, x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0))))
    assert torch.allclose(toy().log_prob(x), isotropic(toy()).log_prob(x), rtol=1e-9, atol=1e-9)


def test_the_correlated_gaussian_equals_torch():
    x, covariance = Gaussian2D().sample(500).double(), torch.tensor([[1, 0.8], [0.8, 1]], dtype=torch.float64)
    expected = MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance).log_prob(x)
    assert torch.allclose(Gaussian2D().log_prob(x), expected, rtol=1e-10)


def gauss(x, center):
    return np.exp(-((x - center) ** 2).sum() / 0.02) / (0.02 * np.pi)


def moons(t, x):
    arcs = ((np.cos(t), np.sin(t)), (1 - np.cos(t), 0.5 - np.sin(t)))
    return sum(gauss(x, np.array(arc)) for arc in arcs) / (2 * np.pi)


def roll(t, x):
    return gauss(x, t / 5 * np.array((np.cos(t), np.sin(t)))) / (3 * np.pi)


@pytest.mark.parametrize(("toy", "density", "low", "high"), [(TwoMoons, moons, 0, 1), (SwissRoll, roll, 1.5, 4.5)])
def test_densities_along_curves_equal_the_integral_along_the_curve(toy, density, low, high):
    random, ends = np.random.RandomState(0), np.linspace(low, high, 25) * np.pi
    for x in np.concatenate((toy().sample(8).double().numpy(), random.uniform(-2, 2, (8, 2)))):
        pieces = (quad(density, a, b, (x,), epsabs=1e-13)[0] for a, b in pairwise(ends))
        assert float(toy().log_prob(torch.from_numpy(x[None])).exp()) == pytest.approx(sum(pieces), abs=1e-9)


@pytest.mark.parametrize("toy", ALL)
def test_samples_follow_the_density(toy):
    x = toy().split("train").x.double()
    points, volume, low, step = cells(toy(), 60 * 8)
    shape = (60, 8) * x.shape[1]
    axes = tuple(range(1, 2 * x.shape[1], 2))
    expected = toy().log_prob(points).exp().reshape(shape).sum(axes).flatten() * volume * len(x)
    place = ((x - low) / (8 * step)).long()
    index = place[:, 0] if x.shape[1] == 1 else 60 * place[:, 0] + place[:, 1]
    seen = torch.bincount(index, minlength=len(expected)).double()
    full = expected > 20
    statistic = float(((seen - expected).square() / expected)[full].sum())
    assert statistic < chi2.ppf(0.9999, int(full.sum()))
    assert float(seen[~full].sum()) == pytest.approx(float(expected[~full].sum()), abs=6 * len(x) ** 0.5)


def test_samples_have_the_moments_of_the_density():
    x = Gaussian2D().split("train").x
    assert torch.allclose(x.T.cov(), torch.tensor([[1, 0.8], [0.8, 1]]), atol=0.03)
    assert Bimodal1D().split("train").x.var().item() == pytest.approx(4.25, rel=0.02)


def test_splits_are_fixed_and_differ():
    a, b = Ring(), Ring()
    assert a.sizes == {"train": 50_000, "valid": 10_000, "test": 10_000}
    assert a.fingerprint == b.fingerprint != Grid().fingerprint
    assert not torch.equal(a.split("valid").x, a.split("test").x)
    assert a.split("train").first(3).x.dtype == torch.float32


def test_modes_and_std_where_they_exist():
    assert Ring().modes.norm(dim=1).allclose(torch.tensor(2.0))
    assert (Grid().modes.shape, Grid().std) == ((25, 2), 0.05)
    assert (SwissRoll().modes, SwissRoll().std) == (None, 0.1)
    assert (Gaussian2D().modes.shape, Gaussian2D().std) == ((1, 2), None)


def test_the_log_density_has_a_gradient():
    x = torch.tensor([[2.5]], requires_grad=True)
    Gaussian1D().log_prob(x).sum().backward()
    assert x.grad.item() == pytest.approx(-0.5 / 0.25)


def test_a_wrong_shape_or_size_is_refused():
    with pytest.raises(ValueError, match=r"expects \(B, 2\)"):
        Ring().log_prob(torch.zeros(3, 1))
    with pytest.raises(ValueError, match="ring cannot be resized to 8"):
        Ring(size=8)
