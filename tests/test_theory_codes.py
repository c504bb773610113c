"""What codes of many dimensions do, and what a generator can reach: against closed forms, draws and autograd."""

from __future__ import annotations

import math

import pytest
import torch

from counterfeit.common.seeding import seeded
from counterfeit.inference.jacobian import participation, rank, singular_values
from counterfeit.nets.mlp import MLP
from counterfeit.report.theory import code_games, code_nets, codes
from counterfeit.report.theory.code_games import Code, played
from counterfeit.theory import concentration
from counterfeit.theory.concentration import FOURTH, distances, norms, spread


def test_norms_of_few_dimensions_are_those_of_the_textbook():
    half_normal, rayleigh = norms(1), norms(2)
    assert half_normal.mean == pytest.approx(math.sqrt(2 / math.pi))
    assert half_normal.std == pytest.approx(math.sqrt(1 - 2 / math.pi))
    assert rayleigh.mean == pytest.approx(math.sqrt(math.pi / 2))
    assert rayleigh.std == pytest.approx(math.sqrt(2 - math.pi / 2))


@pytest.mark.parametrize("dims", [3, 50])
def test_norms_and_distances_are_those_of_draws(dims):
    a, b = torch.randn(2, 40_000, dims, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for found, theory in (((3 * a).norm(dim=1), norms(dims, 3.0)), ((a - b).norm(dim=1), distances(dims))):
        assert float(found.mean()) == pytest.approx(theory.mean, rel=0.01)
        assert float(found.std()) == pytest.approx(theory.std, rel=0.02)


def test_relative_spread_goes_down_to_its_limit():
    shares = [distances(d).ratio / spread(d) for d in (1, 4, 16, 64, 1_000)]
    assert sorted(shares, reverse=True) == shares
    assert shares[-1] == pytest.approx(1.0, abs=2e-4)
    assert spread(50) == pytest.approx(0.1)


def test_fourth_moments_are_those_of_the_priors():
    u = torch.linspace(-math.sqrt(3), math.sqrt(3), 100_001, dtype=torch.float64)
    assert float(u.pow(4).mean()) == pytest.approx(FOURTH["uniform"], rel=1e-3)
    assert float(u.square().mean()) == pytest.approx(1.0, rel=1e-3)


def test_no_dimension_is_refused():
    with pytest.raises(ValueError, match="dims=0 came; at least 1"):
        concentration.norms(0)


def test_singular_values_of_a_linear_map_are_its_own_everywhere():
    weight = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = singular_values(lambda z: z @ weight.T, torch.randn(4, 3, dtype=torch.float64))
    assert torch.allclose(found, torch.linalg.svdvals(weight).expand(4, 3))


def test_jacobian_is_that_of_small_steps():
    with seeded(0):
        net = MLP(2, (16,), 6, "tanh").double()
        z = torch.randn(1, 2, dtype=torch.float64)
    step = 1e-6
    columns = [(net(z + step * e) - net(z - step * e))[0] / (2 * step) for e in torch.eye(2).double()]
    assert torch.allclose(singular_values(net, z)[0], torch.linalg.svdvals(torch.stack(columns, 1)), atol=1e-8)


@pytest.mark.parametrize(("hidden", "expected"), [((32,), 6), ((4, 32), 4), ((32, 3, 32), 3)])
def test_rank_is_that_of_the_narrowest_layer(hidden, expected):
    with seeded(0):
        values = singular_values(MLP(6, hidden, 20, "tanh").double(), torch.randn(5, 6, dtype=torch.float64))
    assert rank(values).tolist() == [expected] * 5
    assert (participation(values) <= expected).all()


def test_error_of_principal_components_is_what_they_leave_out():
    for k in (1, 8, 60):
        found, theory = code_nets.least(k)
        assert found == pytest.approx(theory, rel=1e-10)


def test_a_linear_autoencoder_is_not_better_than_principal_components(monkeypatch):
    monkeypatch.setattr(code_nets, "EXACT", code_nets.replace(code_nets.EXACT, steps=100))
    assert 1 <= code_nets.linear(0) / code_nets.least(code_nets.LINEAR)[1] < 2.5


def test_distances_in_the_lesson_hold():
    assert [finding.what for finding in codes._concentration(0) if not finding.holds] == []


def test_samples_of_a_game_lie_on_a_surface_of_its_code_or_narrowest_layer():
    for code, most in ((Code(2), 2), (Code(16, "uniform", (4, 32)), 4)):
        found = played(code, 0, steps=3)
        assert found.values.shape == (code_games.CODES, code.size)
        assert int(rank(found.values).max()) <= most
        assert found.fid > 0


def test_codes_of_a_size_are_set_beside_principal_components(monkeypatch):
    monkeypatch.setattr(code_nets, "TRAIN", code_nets.replace(code_nets.TRAIN, steps=3))
    found = code_nets.size(2, 0)
    assert found.pca_error < found.error < 0.3
    assert 0.5 < found.pca_accuracy < 0.7


def test_only_codes_that_were_made_to_are_like_the_prior(monkeypatch):
    monkeypatch.setattr(code_nets, "BITS", code_nets.replace(code_nets.BITS, steps=60))
    found = code_nets.filled(0)
    assert found.discrepancy["vae"] < 0.1 < found.discrepancy["autoencoder"]
    assert {decoded.x.shape for decoded in found.decoded.values()} == {(1_297, 64)}
