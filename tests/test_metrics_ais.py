"""Annealed importance sampling against normalizers that are known: enumeration, closed forms, a published RBM."""

from __future__ import annotations

import json
import math
import os
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import AnnealingPath, Energy, Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.likelihood.ais import AIS, binary, real
from counterfeit.metrics.likelihood.annealing import annealed_importance, geometric, schedule, tuned
from counterfeit.metrics.likelihood.mcmc import HMC, DiscreteLangevin
from counterfeit.models.energy.shared.bipartite import BinaryUnits, base_rates

EXACT = 215.138405525  # ln Z of mnistvh.mat: all 2^15 hidden states summed; published with the RBM


def states(n: int) -> torch.Tensor:
    return torch.tensor([*product((0.0, 1.0), repeat=n)])


def weights(visible: int, hidden: int, scale: float = 0.5, seed: int = 0) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    return tuple(scale * torch.randn(s, generator=g) for s in ((visible, hidden), (visible,), (hidden,)))


def free_energy(v: torch.Tensor, w: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    return -v @ b - nn.functional.softplus(v @ w + c).sum(1)


def enumerated(w: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> float:
    w, b, c = w.double(), b.double(), c.double()
    parts = [h @ c + nn.functional.softplus(h @ w.T + b).sum(1) for h in states(len(c)).double().split(2_048)]
    return float(torch.cat(parts).logsumexp(0))


class RBM(Model):
    def __init__(self, visible: int, hidden: int) -> None:
        super().__init__(Spec((visible,), "binary"))
        self.w, self.b, self.c = (nn.Parameter(t) for t in weights(visible, hidden))

    def updates(self, draw, clock):
        yield Update(self.energy(draw().x).mean())

    def energy(self, x):
        return free_energy(x, self.w, self.b, self.c)


class Bowl(Model):
    """N(loc, scale²) but for its normalizer."""

    def __init__(self, dims: int = 3) -> None:
        super().__init__(Spec((dims,), "real"))
        self.loc, self.scale = nn.Parameter(torch.arange(1.0, dims + 1)), torch.linspace(0.1, 5.0, dims)

    def updates(self, draw, clock):
        yield Update(self.energy(draw().x).mean())

    def energy(self, x):
        return 0.5 * ((x - self.loc) / self.scale).square().sum(1)

    @property
    def log_z(self):
        return float(self.scale.log().sum()) + len(self.scale) / 2 * math.log(2 * math.pi)


class Points(Source):
    name, summary = "points", "points for energies"

    def __init__(self, x, kind) -> None:
        self.spec, self.x = Spec((x.shape[1],), kind), x

    def split(self, name):
        return InMemory(self.x)


def test_the_schedule_is_the_published_one():
    betas = schedule()
    assert len(betas) == 14_501
    assert betas[[0, 500, 4_500, 14_500]].tolist() == pytest.approx([0, 0.5, 0.9, 1])
    assert bool((betas.diff() > 0).all())


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 1_000])
def test_schedules_of_any_length_rise_from_0_to_1(steps):
    with seeded(0):
        for betas in (schedule(steps), tuned(BinaryUnits(*weights(5, 3)).path_from(), steps)):
            assert len(betas) == steps + 1
            assert (float(betas[0]), float(betas[-1])) == (0, 1)
            assert bool((betas.diff() > 0).all())


def test_one_step_is_simple_importance_sampling():
    w, b, c = weights(6, 4)
    with seeded(0):
        estimate = annealed_importance(BinaryUnits(w, b, c).path_from(), [0.0, 1.0], 10_000)
    assert estimate.value == pytest.approx(enumerated(w, b, c), abs=4 * estimate.error)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_rbms_agree_with_enumeration(seed):
    w, b, c = weights(20, 12, seed=seed)
    with seeded(seed):
        path = BinaryUnits(w, b, c).path_from(b + w.sum(1) / 2)
        estimate = annealed_importance(path, tuned(path, 2_500), 400)
    assert estimate.value == pytest.approx(enumerated(w, b, c), abs=5e-3)
    assert abs(estimate.value - enumerated(w, b, c)) < 4 * estimate.error
    assert estimate.warning is None


def test_the_normalizer_of_the_base_counts_hidden_units():
    path = BinaryUnits(torch.zeros(3, 2), torch.zeros(3), torch.zeros(2)).path_from(torch.ones(3))
    assert path.log_z == pytest.approx(3 * math.log(1 + math.e) + 2 * math.log(2), abs=1e-6)
    with seeded(0):
        assert annealed_importance(path, schedule(100), 100).value == pytest.approx(5 * math.log(2), abs=0.05)


def test_the_published_rbm():
    root = os.environ.get("COUNTERFEIT_DATA")
    file = Path(root or ".").parent / "oracles" / "mnistvh.mat"
    if not root or not file.is_file():
        pytest.skip("the RBM mnistvh.mat is not beside COUNTERFEIT_DATA")
    from scipy.io import loadmat

    from counterfeit.data.sources.mnist import MNIST

    found = loadmat(file)
    w, b, c = (torch.from_numpy(found[name]).squeeze().float() for name in ("vishid", "visbiases", "hidbiases"))
    assert enumerated(w, b, c) == pytest.approx(EXACT, abs=1e-4)
    path = BinaryUnits(w, b, c).path_from(base_rates(MNIST().split("train").first(50_000).x.flatten(1)))
    with seeded(0):
        estimate = annealed_importance(path, tuned(path, 2_000), 100)  # the whole schedule is in benchmarks/ais.py
    assert estimate.low < EXACT < estimate.high
    assert estimate.value == pytest.approx(EXACT, abs=0.3)
    assert estimate.warning is None


def test_a_bad_schedule_warns():
    w, b, c = weights(20, 12, scale=2.0)
    with seeded(0):
        estimate = annealed_importance(BinaryUnits(w, b, c).path_from(), [0.0, 0.5, 1.0], 100)
    assert estimate.effective < 10
    assert "not to be trusted" in estimate.warning


def test_equal_weights_are_all_effective():
    path = AnnealingPath(lambda n: torch.zeros(n, 1), 1.5, lambda x, before, after: (torch.full((len(x),), 2.0), x))
    estimate = annealed_importance(path, [0.0, 1.0], 50)
    assert estimate[:4] == pytest.approx((3.5, 0, 3.5, 3.5), abs=1e-12)
    assert estimate.effective == pytest.approx(50)


def test_the_interval_is_that_of_the_mean_weight():
    w = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    path = AnnealingPath(lambda n: torch.zeros(n, 1), 0.0, lambda x, before, after: (w.log(), x))
    estimate = annealed_importance(path, [0.0, 1.0], 4)
    error = float(w.std(correction=0)) / 2
    assert estimate.value == pytest.approx(math.log(3.0))
    assert estimate.error == pytest.approx(error / 3)
    assert estimate.high == pytest.approx(math.log(3 + 3 * error))
    assert estimate.low == pytest.approx(math.log(3 - 3 * error))
    assert estimate.effective == pytest.approx(144 / 50)


def test_hmc_keeps_its_density():
    target = Independent(Normal(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0])), 1)
    with seeded(0):
        x, kernel = target.sample((4_000,)), HMC(step=0.3, leapfrogs=5)
        for _ in range(20):
            x = kernel(x, target.log_prob)
    assert torch.allclose(x.mean(0), torch.tensor([1.0, -2.0]), atol=0.12)
    assert torch.allclose(x.std(0), torch.tensor([0.5, 2.0]), rtol=0.05)


def test_hmc_reaches_its_density_from_elsewhere():
    target = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    with seeded(0):
        x, kernel = torch.full((2_000, 2), 4.0), HMC(step=0.2)
        for _ in range(50):
            x = kernel(x, target.log_prob)
    assert torch.allclose(x.mean(0), torch.zeros(2), atol=0.1)
    assert torch.allclose(x.std(0), torch.ones(2), rtol=0.06)


def test_discrete_langevin_reaches_its_distribution():
    w, b, c = weights(4, 3, scale=1.0)
    expected = (-free_energy(states(4), w, b, c)).softmax(0)
    with seeded(0):
        x, kernel = torch.zeros(20_000, 4), DiscreteLangevin(step=0.5)
        for _ in range(40):
            x = kernel(x, lambda x: -free_energy(x, w, b, c))
    cells = (x @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    found = torch.bincount(cells, minlength=16) / len(x)
    assert torch.allclose(found, expected, atol=0.012)


def test_steps_seek_the_acceptance_aimed_at():
    target = Independent(Normal(torch.zeros(5), torch.ones(5)), 1)
    with seeded(0):
        x, kernel = target.sample((500,)), HMC(step=10.0)
        for _ in range(150):
            x = kernel(x, target.log_prob)
        moved = kernel(x, target.log_prob)
    assert 0.4 < float((moved != x).any(1).float().mean()) < 0.9


def test_binary_energies_agree_with_enumeration():
    w, b, c = weights(12, 6)
    with seeded(0):
        x = (torch.rand(1_000, 12) < b.sigmoid()).float()
        path = binary(lambda v: -free_energy(v, w, b, c), x)
        estimate = annealed_importance(path, tuned(path, 400), 100)
    exact = enumerated(w, b, c)
    assert abs(estimate.value - exact) < min(4 * estimate.error, 0.05)


def test_real_energies_agree_with_the_closed_form():
    bowl = Bowl()
    with seeded(0):
        mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
        x = (bowl.loc + 1 + 0.7 * bowl.scale * torch.randn(1_000, 3) @ mix).detach()
        path = real(lambda x: -bowl.energy(x), x)
        estimate = annealed_importance(path, tuned(path, 150), 100)
    assert abs(estimate.value - bowl.log_z) < min(4 * estimate.error, 0.3)


def test_a_known_normalizer_is_found_from_any_base():
    base = Independent(Bernoulli(torch.tensor([0.9, 0.2])), 1)
    with seeded(0):
        path = geometric(base, lambda x: x.sum(1), DiscreteLangevin())
        estimate = annealed_importance(path, schedule(200), 200)
    assert estimate.value == pytest.approx(2 * math.log(1 + math.e), abs=4 * estimate.error)


def test_result_is_the_log_likelihood_of_the_test_split():
    with seeded(0):
        model, x = RBM(10, 4), (torch.rand(500, 10) < 0.4).float()
    result = AIS.compute(model, Points(x, "binary"), Evaluation(annealing_steps=300))
    exact = enumerated(model.w.detach(), model.b.detach(), model.c.detach())
    expected = -float(model.energy(x).detach().mean()) - exact
    assert result.details["log_z"] == pytest.approx(exact, abs=4 * result.details["log_z_error"])
    assert result.value == pytest.approx(expected, abs=4 * result.details["log_z_error"])
    assert result.error >= result.details["log_z_error"]
    assert result.details["bits_per_dim"] == pytest.approx(-result.value / (10 * math.log(2)))
    assert result.n == 500
    assert "300 steps, 100 runs, discrete Langevin moves from base rates; nats; test n=500" in result.protocol
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_result_of_real_data():
    model = Bowl()
    with seeded(0):
        x = (model.loc + model.scale * torch.randn(2_000, 3)).detach()
    result = AIS.compute(model, Points(x, "real"), Evaluation(annealing_steps=80))
    assert result.details["log_z"] == pytest.approx(model.log_z, abs=4 * result.details["log_z_error"])
    assert "bits_per_dim" not in result.details


def test_results_repeat_and_leave_gradients_alone():
    model, source = RBM(6, 3), Points((torch.rand(50, 6) < 0.5).float(), "binary")
    values = [AIS.compute(model, source, Evaluation(annealing_steps=30, seed=seed)).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert all(p.grad is None for p in model.parameters())


def test_the_metric_is_for_energies_on_binary_or_real_data():
    assert AIS.needs is Energy
    assert [AIS.applies(Points(torch.rand(2, 2), kind)) for kind in ("binary", "real", "image")] == [True, True, False]
    with pytest.raises(ValueError, match="expects binary or real values"):
        AIS.compute(RBM(2, 2), Points(torch.rand(2, 2), "image"), Evaluation())


def test_no_steps_of_annealing_are_an_error():
    with pytest.raises(ValueError, match="annealing_steps: 0 came"):
        Evaluation(annealing_steps=0)
    with pytest.raises(ValueError, match="at least one step"):
        schedule(0)


@pytest.mark.parametrize(("betas", "runs"), [([0, 0.5], 9), ([0, 1], 1), ([0, 0.7, 0.3, 1], 9), ([1], 9)])
def test_betas_and_runs_that_cannot_be_are_an_error(betas, runs):
    with pytest.raises(ValueError, match="betas rising from 0 to 1"):
        annealed_importance(BinaryUnits(*weights(3, 2)).path_from(), betas, runs)


def test_shapes_that_do_not_fit_are_an_error():
    w, b, c = weights(3, 2)
    with pytest.raises(ValueError, match="hidden \\(H,\\)"):
        BinaryUnits(w, c, b)


def test_energies_that_are_not_finite_are_an_error():
    def nowhere(x, before, after):
        return torch.full((len(x),), math.nan), x

    path = AnnealingPath(lambda n: torch.zeros(n, 1), 0.0, nowhere)
    with pytest.raises(ValueError, match="not finite"):
        annealed_importance(path, [0.0, 1.0], 4)
    with pytest.raises(ValueError, match="not finite"):
        tuned(path, 10)
