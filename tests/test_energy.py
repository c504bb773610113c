"""Energy-based models against sums over all of their states."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch import nn

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.metrics.likelihood.annealing import annealed_importance, tuned
from counterfeit.models.energy.dbm import DBM
from counterfeit.models.energy.dbn import DBN, Greedy
from counterfeit.models.energy.gsn import GSN, GSNSettings
from counterfeit.models.energy.rbm import RBM
from counterfeit.models.energy.shared.bipartite import BinaryUnits, GaussianUnits, states
from counterfeit.models.energy.shared.harmonium import Chains
from probes import descend

MANY = 20_000


def random(model: nn.Module, scale: float = 0.7, seed: int = 0) -> nn.Module:
    """The model with parameters drawn at that scale."""
    with seeded(seed):
        for p in model.parameters():
            nn.init.normal_(p, 0.0, scale)
    return model.eval()


def binary(visible: int = 5, hidden: int = 4, seed: int = 0) -> BinaryUnits:
    with seeded(seed):
        return BinaryUnits(torch.randn(visible, hidden), torch.randn(visible), torch.randn(hidden))


def gaussian(visible: int = 2, hidden: int = 3) -> GaussianUnits:
    with seeded(0):
        w = 0.5 * torch.randn(visible, hidden)
        return GaussianUnits(w, torch.randn(visible), torch.randn(hidden), 0.5 + torch.rand(visible))


def grid(reach: float = 12.0, cells: int = 241) -> tuple[torch.Tensor, float]:
    line = torch.linspace(-reach, reach, cells)
    return torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2


@pytest.mark.parametrize("units", [binary(), gaussian()], ids=["binary", "gaussian"])
def test_hidden_units_are_summed_out(units):
    v, h = torch.rand(6, len(units.visible)), states(len(units.hidden)).float()
    every = torch.stack([units.energy(v, one.expand(6, -1)) for one in h])
    torch.testing.assert_close(units.free_energy(v), -(-every).logsumexp(0))


@pytest.mark.parametrize("sizes", [(5, 4), (3, 6)])
def test_the_normalizer_of_binary_units_sums_over_all_states(sizes):
    units = binary(*sizes)
    expected = (-units.free_energy(states(sizes[0]).float())).logsumexp(0)
    assert float(units.log_z()) == pytest.approx(float(expected), abs=1e-5)


def test_the_normalizer_of_gaussian_units_integrates_over_the_plane():
    units = gaussian()
    points, cell = grid()
    expected = float((-units.free_energy(points)).logsumexp(0)) + math.log(cell)
    assert float(units.log_z()) == pytest.approx(expected, abs=1e-4)


def test_too_many_states_are_not_summed_over():
    assert BinaryUnits(torch.zeros(21, 21), torch.zeros(21), torch.zeros(21)).log_z() is None


def test_binary_chains_have_the_marginals_of_the_enumeration():
    units = binary()
    p = (-units.free_energy(states(5).float())).softmax(0)
    with seeded(0):
        v = units.gibbs(torch.rand(MANY, 5).round(), 100)
    found = torch.bincount((v * 2 ** torch.arange(5)).sum(1).long(), minlength=32) / MANY
    assert float((found - p).abs().max()) < 4 * math.sqrt(0.25 / MANY)


def test_gaussian_chains_have_the_moments_of_the_integral():
    units = gaussian()
    points, _ = grid()
    p = (-units.free_energy(points)).softmax(0)
    with seeded(0):
        v = units.gibbs(torch.randn(MANY, 2), 100)
    torch.testing.assert_close(v.mean(0), p @ points, atol=0.05, rtol=0)
    torch.testing.assert_close(v.square().mean(0), p @ points.square(), atol=0.15, rtol=0)


@pytest.mark.parametrize("units", [binary(8, 5), gaussian(3, 4)], ids=["binary", "gaussian"])
def test_annealing_agrees_with_the_enumeration(units):
    with seeded(0):
        path = units.path(units.gibbs(torch.rand(2_000, len(units.visible)).round(), 20))
        estimate = annealed_importance(path, tuned(path, 400), 400)
    assert abs(estimate.value - float(units.log_z())) < max(4 * estimate.error, 5e-3)
    assert estimate.warning is None


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("centered", [False, True])
def test_the_gradient_of_the_surrogate_is_that_of_contrastive_divergence(persistent, centered):
    model = random(RBM(Spec((6,), "binary"), 4, Chains(3, persistent, 7, centered=centered)))
    data, layer = torch.rand(7, 6).round(), model.layer
    with seeded(1):
        ends = deepcopy(layer).negative(data)
    with seeded(1):
        (update,) = model.updates(lambda: Batch(data), Clock(0, 1))
    update.loss.backward()

    def statistics(v):
        h = layer.units().inputs(v).sigmoid()
        return (v - layer.mean).mT @ (h - layer.rest) / len(v), v.mean(0), h.mean(0)

    expected = [end - real for end, real in zip(statistics(ends), statistics(data), strict=True)]
    for p, gradient in zip((layer.weight, layer.visible, layer.hidden), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient)


def test_centering_changes_the_parameters_and_not_what_can_be_said():
    model = random(RBM(Spec((5,), "binary"), 3))
    units, v, h = model.layer.units(), states(5).float()[:8], states(3).float()
    centered = -((v - model.layer.mean) @ model.layer.weight * (h - model.layer.rest)).sum(1)
    centered = centered - v @ model.layer.visible - h @ model.layer.hidden
    difference = units.energy(v, h) - centered
    torch.testing.assert_close(difference, difference[:1].expand(8), atol=1e-5, rtol=0)


def test_a_trained_machine_nears_the_entropy_of_few_patterns():
    patterns = torch.tensor([[0.0, 1, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1], [1, 0, 1, 0, 1, 0]])
    with seeded(0):
        model = RBM(Spec((6,), "binary"), 8, Chains(10, chains=400))
        model.initialize(Batch(patterns))
        descend(model, patterns.repeat(25, 1), 1_000, 5e-3)
    with torch.no_grad():
        log_p = -model.energy(patterns) - model.log_z().float()
        assert float(log_p.mean()) > -math.log(4) - 0.5
        assert float(log_p.exp().sum()) < 1


def test_completions_follow_the_conditional():
    model = random(RBM(Spec((4,), "binary"), 3, Chains(sampling_steps=60)))
    every = states(4).float()
    x, mask = torch.tensor([1.0, 0, 1, 0]), torch.tensor([1.0, 1, 0, 0])
    like = (every[:, :2] == x[:2]).all(1)
    p = (-model.energy(every[like])).softmax(0)
    with seeded(0):
        y = model.complete(x.expand(MANY, -1), mask.expand(MANY, -1))
    found = torch.stack([(y == one).all(1).float().mean() for one in every[like]])
    torch.testing.assert_close(found, p.detach(), atol=0.02, rtol=0)


def test_sparse_units_are_seldom_on():
    with seeded(0):
        x, models = torch.rand(500, 12).round(), []
        for sparsity in (None, 0.05):
            models.append(RBM(Spec((12,), "binary"), 10, sparsity=sparsity, sparsity_weight=10.0))
            descend(models[-1], x, 1_000, 2e-2)
    with torch.no_grad():
        dense, sparse = (float(model.encode(x).mean()) for model in models)
    assert sparse < 0.1 < dense


def belief(hidden: tuple[int, ...] = (4, 3), untied: bool = True) -> DBN:
    model = random(DBN(Spec((5,), "binary"), hidden))
    model.untied.fill_(untied)
    return model


@torch.no_grad()
@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("hidden", [(4, 3), (3, 4, 3)])
def test_a_belief_net_bounds_what_the_sum_over_its_states_gives(untied, hidden):
    model = belief(hidden, untied)
    v, top = states(5).float(), states(hidden[-2]).float()
    log_p, units = -model.stack[-1](top) - model.log_z().float(), top
    for i in reversed(range(len(hidden) - 1)):  # from p(units) to p(units of the layer below)
        below = states(([5, *hidden])[i]).float()
        given = torch.stack([model.below(i).log_prob(below, one.expand(len(below), -1)) for one in units])
        log_p, units = (log_p[:, None] + given).logsumexp(0), below
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-4)
    with seeded(0), torch.no_grad():
        found = -model.energy(v.repeat_interleave(4_000, 0)).view(32, -1) - model.log_z().float()
    assert bool((found.mean(1) < log_p + 4 * found.std(1) / 4_000**0.5).all())
    torch.testing.assert_close(found.logsumexp(1) - math.log(4_000), log_p, atol=0.25, rtol=0)


def test_the_up_down_algorithm_begins_where_greedy_layers_end():
    model = belief(untied=False)
    with seeded(0):
        tied = model.sample(50)
    model.untie()
    with seeded(0):
        assert torch.equal(model.sample(50), tied)


@pytest.mark.parametrize("kind", [DBN, DBM])
def test_every_stage_of_deep_models_has_a_schedule_of_its_own(kind):
    model, draw = kind(Spec((5,), "binary"), (4, 3)), lambda: Batch(torch.rand(8, 5).round())
    updates = [next(model.updates(draw, Clock(step, 10))) for step in range(10)]
    times: dict[tuple[str, ...], list[Clock | None]] = {}
    for update in updates:
        times.setdefault(update.parts, []).append(update.clock)
    assert len(times) == 3  # either layer, then all
    for clocks in times.values():
        assert clocks == [Clock(step, len(clocks)) for step in range(len(clocks))]


@pytest.mark.parametrize("above", [5, 9])
def test_a_mirrored_layer_gives_the_units_below_the_law_that_they_had(above):
    model = random(DBN(Spec((5,), "binary"), (4, above), greedy=Greedy("mirrored"), finetune_fraction=0.0))
    below, v = model.stack[0], torch.rand(50, 5).round()
    with torch.no_grad():
        below.mean.uniform_()
        model.stack[1].weight[:, 5:].zero_()
        h = states(4).float()
        log_p = _law_of_hidden(below, h)
        model.mirror(1, v)
        model.stack[1].weight[:, 5:].zero_()
        found = -model.stack[1](h)
        torch.testing.assert_close(found - found.logsumexp(0), log_p, atol=1e-4, rtol=0)
        every = states(5).float()
        exact = (-below(every)).log_softmax(0)
        with seeded(0):
            bound = -model.energy(every.repeat_interleave(2_000, 0)).view(32, -1) - model.log_z().float()
    assert bool((bound.mean(1) < exact + 4 * bound.std(1) / 2_000**0.5 + 1e-4).all())
    torch.testing.assert_close(bound.mean(1), exact, atol=0.05, rtol=0)  # where the posterior factors, as in an RBM


def _law_of_hidden(layer, h):
    """Log p(h) of an RBM's hidden units, over all states of the visible ones."""
    units = layer.units()
    v = states(layer.weight.shape[0]).float()
    energies = (v @ units.weight) @ h.mT + (v @ units.visible)[:, None] + (h @ units.hidden)[None]
    return energies.logsumexp(0).log_softmax(0)


@pytest.mark.parametrize(
    ("greedy", "came"),
    [({"layer_start": "mirrored"}, "3 units above 5"), ({"layer_shares": (1.0,)}, "layer_shares"),
     ({"layer_shares": (1.0, -1.0)}, "layer_shares")],
)  # fmt: skip
def test_layers_that_cannot_be_trained_so_are_refused(greedy, came):
    with pytest.raises(ValueError, match=came):
        DBN(Spec((5,), "binary"), (4, 3), greedy=Greedy(**greedy))


def test_layers_have_their_shares_of_the_steps():
    model = DBN(Spec((5,), "binary"), (4, 6), greedy=Greedy("mirrored", (3, 1)), finetune_fraction=0.0)
    draw = lambda: Batch(torch.rand(8, 5).round())  # noqa: E731
    updates = [next(model.updates(draw, Clock(step, 8))) for step in range(8)]
    assert [update.parts[0] for update in updates] == ["layers.0"] * 6 + ["layers.1"] * 2
    assert [update.clock for update in updates][5:] == [Clock(5, 6), Clock(0, 2), Clock(1, 2)]


def machine(hidden: tuple[int, ...] = (4, 3)) -> DBM:
    return random(DBM(Spec((5,), "binary"), hidden, mean_field_steps=50))


def joint(model: DBM, *units: torch.Tensor) -> torch.Tensor:
    """-E of units of every layer, term by term."""
    value = 0.0
    for layer, below, above in zip(model.stack, units[:-1], units[1:], strict=True):
        one = layer.units()
        value = value + below @ one.visible + above @ one.hidden + ((below @ one.weight) * above).sum(-1)
    return value


@pytest.mark.parametrize("hidden", [(4, 3), (2, 3, 2), (2, 2, 2, 2)])
def test_a_deep_machine_is_one_of_two_layers(hidden):
    model, units = machine(hidden), machine(hidden).units()
    with seeded(0):
        every = [torch.rand(20, size).round() for size in model.sizes]
    folded = -units.energy(torch.cat(every[::2], 1), torch.cat(every[1::2], 1))
    torch.testing.assert_close(folded, joint(model, *every))


@torch.no_grad()
def test_a_deep_machine_bounds_what_the_sum_over_its_states_gives():
    model, v = machine(), states(5).float()
    h, t = states(4).float(), states(3).float()
    log_f = torch.stack([joint(model, v, a.expand(32, -1), b.expand(32, -1)) for a in h for b in t]).logsumexp(0)
    assert float(model.log_z()) == pytest.approx(float(log_f.logsumexp(0)), abs=1e-4)
    gap = log_f + model.energy(v)
    assert bool((gap > -1e-5).all())
    assert float(gap.mean()) < 0.5
    with torch.no_grad():
        model.stack[1].weight.zero_()  # then units are independent given v, and the mean field is exact
        log_f = torch.stack([joint(model, v, a.expand(32, -1), b.expand(32, -1)) for a in h for b in t]).logsumexp(0)
    torch.testing.assert_close(-model.energy(v), log_f, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("up", "down"), [(2.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
def test_doubled_layers_are_machines_with_copies_of_a_layer(up, down):
    units, v = binary(4, 3), states(4).float()
    h = states(3).float()
    copies = [(a, b) for a in h for b in h] if up < down else [(a, a) for a in h]  # independent given one v, or equal
    expected = -torch.stack([2 * v @ units.visible + units.inputs(v) @ (a + b) for a, b in copies]).logsumexp(0)
    found = max(up, down) / up * units.times(up).free_energy(v)
    torch.testing.assert_close(found, expected)


def test_mean_field_completions_are_those_of_the_mean_field():
    model = random(DBM(Spec((4,), "binary"), (3, 2), completion="mean-field", mean_field_steps=30), 0.2)
    x, mask = torch.tensor([1.0, 0, 1, 0]), torch.tensor([1.0, 1, 0, 0])
    with seeded(0):
        y = model.complete(x.expand(MANY, -1), mask.expand(MANY, -1))
    expected = model.mean_field(x[None], mask[None])[0, :4]
    torch.testing.assert_close(y.mean(0), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("quiet", [0, 1, 2])
def test_the_lowest_layers_of_a_gsn_may_have_no_noise(quiet: int) -> None:
    model = GSN(Spec((6,), "binary"), (5, 4), gsn=GSNSettings(noiseless_layers=quiet, noise_before=0.5))
    v, hidden = torch.rand(3, 6).round(), [torch.rand(3, 5), torch.rand(3, 4)]
    (_, one), (_, other) = (model.transition(v, hidden) for _ in range(2))
    assert torch.equal(one[0], other[0]) == (quiet >= 1)
    assert torch.equal(one[1], other[1]) == (quiet >= 2)
