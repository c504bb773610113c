"""Autoregressive models: enumeration, causality, counting, known chains, caches, completions."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Model, Spec
from counterfeit.data.sources.toy import TwoMoons
from counterfeit.models.autoregressive.full_table import FullTable
from counterfeit.models.autoregressive.fvsbn import FVSBN
from counterfeit.models.autoregressive.independent import Independent
from counterfeit.models.autoregressive.made import MADE, MaskedNetSettings
from counterfeit.models.autoregressive.markov import Markov
from counterfeit.models.autoregressive.nade import NADE
from counterfeit.models.autoregressive.rnade import RNADE
from counterfeit.models.autoregressive.shared.chain import Recomputed, draw, fill
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli, GaussianMixture
from counterfeit.models.autoregressive.shared.model import Autoregressive
from counterfeit.models.autoregressive.shared.orders import NAMES, ordering
from counterfeit.models.autoregressive.shared.prefixes import TILE, PrefixNet
from counterfeit.nets.masked import FixedMasks, MaskedMLP, degrees, masks
from probes import descend

BITS = Spec((1, 3, 4), "binary")
STATES = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 12).view(-1, *BITS.shape)
CHAINS = {
    "independent": lambda spec: Independent(spec),
    "markov": lambda spec: Markov(spec, 1),
    "markov-3": lambda spec: Markov(spec, 3, order="random"),
    "fvsbn": lambda spec: FVSBN(spec, "columns"),
    "fvsbn-2": lambda spec: FVSBN(spec, "random", memory=2),
    "nade": lambda spec: NADE(spec, 7, order="random"),
    "nade-tanh": lambda spec: NADE(spec, 7, "tanh", "center"),
    "nade-agnostic": lambda spec: NADE(spec, 7, order_agnostic=True, orders=3),
    "made": lambda spec: MADE(spec, (9,), order="reverse"),
    "made-masks": lambda spec: MADE(spec, (9, 11), masks=4),
    "made-direct": lambda spec: MADE(spec, (9, 11), MaskedNetSettings(direct=True), order="reverse"),
    "made-masks-direct": lambda spec: MADE(spec, (9,), MaskedNetSettings("tanh", 0.1, True), 3, order_agnostic=True),
    "made-agnostic": lambda spec: MADE(spec, (9, 11, 8), MaskedNetSettings("softplus"), masks=3, order_agnostic=True),
}
EVERY = {"full-table": lambda spec: FullTable(spec), **CHAINS}


def made(name: str, spec: Spec = BITS) -> Model:
    with seeded(3):
        model = EVERY[name](spec)
        for p in model.parameters():  # far from the even coins that nets begin as
            p.data.add_(0.3 * torch.randn_like(p))
    return model.eval()


def total(model: Model) -> float:
    with torch.no_grad():
        return float(model.log_prob(STATES).double().exp().sum())


class Coins:
    """A Markov chain of order 1 whose probabilities are known: of 1 first, and after 0 and after 1."""

    start, after = 0.7, (0.2, 0.9)

    def sample(self, n: int, d: int) -> Tensor:
        x = torch.empty(n, d)
        x[:, 0] = (torch.rand(n) < self.start).float()
        for i in range(1, d):
            p = torch.tensor(self.after)[x[:, i - 1].long()]
            x[:, i] = (torch.rand(n) < p).float()
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        p = torch.cat([torch.full((len(x), 1), self.start), torch.tensor(self.after)[x[:, :-1].long()]], 1)
        return torch.where(x == 1, p, 1 - p).log().sum(1)


# Orders ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 2, 5), (7,)])
def test_every_order_meets_every_place_once(name, shape):
    assert sorted(ordering(shape, name).tolist()) == [*range(torch.Size(shape).numel())]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raster", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("columns", [0, 3, 6, 1, 4, 7, 2, 5, 8]),
        ("reverse", [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("center", [4, 1, 3, 5, 7, 0, 2, 6, 8]),
    ],
)
def test_orders_of_an_image_are_those_of_their_names(name, expected):
    assert ordering((1, 3, 3), name).tolist() == expected


def test_channels_of_a_pixel_follow_each_other():
    assert ordering((3, 1, 2)).tolist() == [0, 2, 4, 1, 3, 5]


def test_random_orders_follow_from_their_seed():
    assert torch.equal(ordering((50,), "random", 1), ordering((50,), "random", 1))
    assert not torch.equal(ordering((50,), "random", 1), ordering((50,), "random", 2))


# Probabilities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_probabilities_of_all_states_sum_to_one(name):
    assert total(made(name)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_probabilities_still_sum_to_one_after_training(name):
    model, before = made(name), made(name)
    torch.manual_seed(0)
    x = Coins().sample(500, 12).view(-1, *BITS.shape)
    descend(model.train(), x, 20, lr=0.1)
    assert float((model.eval().log_prob(x) - before.log_prob(x)).mean().detach()) > 0.1
    assert total(model) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", CHAINS)
def test_conditionals_move_with_what_comes_before_and_with_nothing_else(name):
    model = made(name)
    for k in range(model.chains):
        chain, x = model.chain(k), torch.rand(12).round()
        flipped = (x - torch.eye(12)).abs()
        before, *after = chain.parameters(torch.cat([x[None], flipped])).detach()
        reach = torch.stack([(one - before).abs() > 1e-6 for one in after], 1)[chain.order][:, chain.order]
        assert not bool(reach.triu().any())
        if name == "independent":
            assert not bool(reach.any())
        elif name == "markov":
            assert torch.equal(reach, torch.eye(11).bool().nonzero().new_ones(12, 12).tril(-1).triu(-1).bool())
        else:
            assert bool(reach[1:].any(1)[-4:].all())


@pytest.mark.parametrize("name", ["fvsbn", "nade", "nade-agnostic"])
def test_every_conditional_has_a_gradient_in_all_that_comes_before(name):
    chain = made(name).chain(0)
    x = torch.rand(12)
    reach = torch.autograd.functional.jacobian(lambda v: chain.parameters(v[None])[0], x)[chain.order][:, chain.order]
    assert bool((reach.abs().tril(-1) + torch.ones(12, 12).triu() > 0).all())
    assert not bool(reach.triu().any())


@pytest.mark.parametrize("name", ["nade-agnostic", "made-masks", "made-agnostic"])
def test_several_chains_are_a_mixture(name):
    model = made(name)
    mean = torch.stack([model.chain(k).log_prob(STATES.flatten(1)).double().exp() for k in range(model.chains)]).mean(0)
    torch.testing.assert_close(model.log_prob(STATES).double().exp(), mean, rtol=1e-4, atol=0)


# Tables ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7])
def test_parameters_are_as_many_as_the_lesson_says(n):
    def count(model: Model) -> int:
        return sum(p.numel() for p in model.parameters())

    spec = Spec((n,), "binary")
    assert count(FullTable(spec)) == 2**n - 1
    assert count(Independent(spec)) == n
    assert count(Markov(spec)) == 2 * n - 1
    assert count(Markov(spec, n - 1)) == sum(2**i for i in range(n)) == 2**n - 1
    assert count(Markov(spec, 100)) == 2**n - 1


def test_a_full_table_is_as_frequent_as_the_data():
    x = torch.rand(300, 4).round()
    x[x[:, 0] == 1] = 1
    model = FullTable(Spec((4,), "binary"), smoothing=1e-9)
    model.initialize(Batch(x))
    for bits in itertools.product((0.0, 1.0), repeat=4):
        found = float(model.log_prob(torch.tensor([bits])).exp().detach())
        assert found == pytest.approx(float((x == torch.tensor(bits)).all(1).float().mean()), abs=1e-6)


def test_smoothing_adds_to_every_count():
    x = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    table, independent, markov = (cls(Spec((2,), "binary"), smoothing=0.5) for cls in (FullTable, Independent, Markov))
    for model in (table, independent, markov):
        model.initialize(Batch(x))
    p = {model: model.log_prob(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).exp().tolist() for model in (table, independent)}
    assert p[table] == pytest.approx([2.5 / 5, 0.5 / 5])
    assert p[independent] == pytest.approx([(2.5 / 4) * (3.5 / 4), (1.5 / 4) * (0.5 / 4)])
    expected = [(2.5 / 4) * (2.5 / 3), (1.5 / 4) * (0.5 / 2)]
    assert markov.log_prob(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).exp().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("memory", [1, 2, 4])
def test_a_markov_table_holds_the_frequencies_of_each_context(memory):
    x, order = torch.rand(400, 6).round(), ordering((6,), "random", 1)
    x[:, order[3]] = (x[:, order[2]] + x[:, order[1]] > 1).float()
    model = Markov(Spec((6,), "binary"), memory, smoothing=1e-9, order="random", order_seed=1)
    model.initialize(Batch(x))
    p = model.conditionals(x).sigmoid()
    for i, place in enumerate(order):
        context = order[max(0, i - memory) : i]
        for row in range(20):
            same = (x[:, context] == x[row, context]).all(1)
            assert float(p[row, place].detach()) == pytest.approx(float(x[same, place].mean()), abs=1e-5)


@pytest.mark.parametrize("name", ["full-table", "independent", "markov", "markov-3"])
def test_counting_is_where_the_likelihood_is_flat(name):
    x = Coins().sample(2_000, 12).view(-1, *BITS.shape)
    model = EVERY[name](BITS)
    model.smoothing = 1e-6
    model.initialize(Batch(x))
    best = float(model.log_prob(x).mean().detach())
    (-model.log_prob(x).mean()).backward()
    assert float(model.logits.grad.abs().max()) < 1e-6
    for _ in range(5):
        other = EVERY[name](BITS)
        other.logits.data = model.logits.data + 0.1 * torch.randn_like(model.logits)
        assert float(other.log_prob(x).mean().detach()) < best


def test_a_markov_model_of_full_memory_is_the_full_table():
    x, spec = torch.rand(500, 5).round(), Spec((5,), "binary")
    table, markov = FullTable(spec, 1e-9), Markov(spec, 4, 1e-9)
    for model in (table, markov):
        model.initialize(Batch(x))
    torch.testing.assert_close(table.log_prob(x), markov.log_prob(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("memory", [0, 1, 3, 11, 40])
def test_a_belief_network_with_a_memory_sees_as_many_values_before_each(memory):
    model = FVSBN(BITS, "random", memory=memory)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p))
    order = model.order
    x = torch.rand(12).round()
    before, *after = model.chain(0).parameters(torch.stack([x, *(x - torch.eye(12)).abs()])).detach()
    reach = torch.stack([(one - before).abs() > 1e-6 for one in after], 1)[order][:, order]
    expected = torch.ones(12, 12).tril(-1).triu(-memory) > 0
    assert torch.equal(reach, expected)


def test_a_negative_memory_is_refused():
    for model in (FVSBN, Markov):
        with pytest.raises(ValueError, match="memory=-1 came; 0 or more"):
            model(BITS, memory=-1)


def test_what_was_never_seen_keeps_a_finite_likelihood():
    for name in ("full-table", "independent", "markov-3"):
        model = made(name)
        model.initialize(Batch(torch.zeros(10, *BITS.shape)))
        assert bool(torch.isfinite(model.log_prob(STATES)).all())
        assert total(model) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("cls", [FullTable, Independent, Markov])
def test_tables_without_smoothing_are_refused(cls):
    with pytest.raises(ValueError, match="more than 0 is expected"):
        cls(BITS, smoothing=0.0)


def test_tables_too_large_are_refused_with_their_size():
    with pytest.raises(ValueError, match=r"2\^784 - 1 parameters"):
        FullTable(Spec((1, 28, 28), "binary"))
    with pytest.raises(ValueError, match="Lower it"):
        Markov(Spec((1, 28, 28), "binary"), 30)
    with pytest.raises(ValueError, match="0 or more"):
        Markov(BITS, -1)


# Truth ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "steps"), [("markov", 0), ("full-table", 0), ("fvsbn", 600), ("nade", 600), ("made", 600)]
)
def test_likelihood_on_a_known_chain_is_near_the_truth_and_not_above(name, steps):
    d = 6
    torch.manual_seed(1)
    train, test, truth = Coins().sample(20_000, d), Coins().sample(20_000, d), Coins()
    spec = Spec((d,), "binary")
    nets = {"nade": lambda s: NADE(s, 16), "made": lambda s: MADE(s, (64,)), "fvsbn": FVSBN, "markov": Markov}
    model = nets.get(name, FullTable)(spec)
    if steps:
        descend(model, train, steps, lr=0.02)
    else:
        model.initialize(Batch(train))
    difference = model.eval().log_prob(test).detach() - truth.log_prob(test)
    error = float(difference.std()) / math.sqrt(len(test))
    assert float(difference.mean()) < 4 * error
    assert float(difference.mean()) > -0.02 * d


def test_rnade_is_near_the_truth_of_two_moons_and_not_above():
    torch.manual_seed(0)
    source = TwoMoons()
    model, test = RNADE(source.spec, 32, 10), source.split("test").x
    model.initialize(Batch(source.split("train").x))
    descend(model, source.split("train").x, 700, lr=1e-2, batch_size=256)
    difference = model.log_prob(test).detach() - source.log_prob(test)
    error = float(difference.std()) / math.sqrt(len(test))
    assert float(difference.mean()) < 4 * error
    assert float(difference.mean()) > -0.06


# RNADE ----------------------------------------------------------------------------------------------------------------


def test_a_mixture_of_gaussians_is_that_of_torch():
    parameters, x = torch.randn(5, 12), torch.randn(5)
    logits, loc, log_scale = parameters.chunk(3, 1)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits), torch.distributions.Normal(loc, log_scale.exp())
    )
    torch.testing.assert_close(GaussianMixture().log_prob(parameters, x), mixture.log_prob(x))
    drawn = GaussianMixture().sample(parameters.expand(100_000, 5, 12))
    torch.testing.assert_close(drawn.mean(0), mixture.mean, atol=0.05, rtol=0.05)
    torch.testing.assert_close(drawn.var(0), mixture.variance, atol=0.2, rtol=0.1)


def test_likelihoods_are_of_the_data_as_given_at_any_scale():
    x = torch.randn(200, 3)
    small = RNADE(Spec((3,), "real"), 8, 2)
    large = RNADE(Spec((3,), "real"), 8, 2)
    large.load_state_dict(small.state_dict())
    small.initialize(Batch(x))
    large.initialize(Batch(25 * x - 100))
    torch.testing.assert_close(large.log_prob(25 * x - 100), small.log_prob(x) - 3 * math.log(25), atol=1e-3, rtol=0)


def test_far_data_have_a_finite_density():
    model = RNADE(Spec((3,), "real"), 8, 2)
    model.initialize(Batch(torch.randn(100, 3)))
    assert bool(torch.isfinite(model.log_prob(torch.full((1, 3), 1e4))).all())


def test_values_that_never_change_are_named():
    x = torch.randn(50, 3)
    x[:, 1] = 7
    with pytest.raises(ValueError, match="value 1 of the data is 7 everywhere"):
        RNADE(Spec((3,), "real")).initialize(Batch(x))


# Nets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("unit", ["sigmoid", "relu", "tanh"])
@pytest.mark.parametrize("tiles", [False, True])
def test_prefixes_in_tiles_and_one_by_one_are_those_of_a_loop(told, scaled, unit, tiles, monkeypatch):
    d = 2 * TILE + 5
    net, x, order = PrefixNet(d, 6, 2, unit, told, scaled), torch.rand(3, d, requires_grad=True), torch.randperm(d)
    if tiles:  # as on other devices
        monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: True)
    found = net(x, order)
    a, expected = net.bias.expand(3, -1), []
    for i, place in enumerate(order):
        h = getattr(torch, unit)(a * net.scale[i] if scaled else a)
        expected.append(h @ net.out_weight[place] + net.out_bias[place])
        a = a + x[:, i : i + 1] * net.weight[place]
        a = a + net.place_weight[place] if told else a
    expected = torch.stack(expected, 1)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found.square().sum(), [x, *net.parameters()])
    theirs = torch.autograd.grad(expected.square().sum(), [x, *net.parameters()])
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_no_hidden_unit_of_a_masked_net_sees_nothing_or_everything():
    found = degrees(20, (30, 40, 50), 0)
    for degree, before in zip(found, [torch.tensor([1]), *found], strict=False):
        assert int(before.min()) <= int(degree.min())
        assert int(degree.max()) <= 19


def test_masked_outputs_are_those_of_masked_weights():
    net, rank, hidden = MaskedMLP(5, (7,)), torch.tensor([2, 1, 5, 3, 4]), degrees(5, (7,), 0)
    x = torch.rand(3, 5)
    first, last = net.layers
    m1 = torch.tensor([[float(h >= r) for r in rank] for h in hidden[0]])  # eq. 8
    m2 = torch.tensor([[float(r > h) for h in hidden[0]] for r in rank])  # eq. 9
    expected = torch.relu(x @ (first.weight * m1).T + first.bias) @ (last.weight * m2).T + last.bias
    torch.testing.assert_close(net(x, masks(rank, hidden)), expected)
    net.direct = nn.Linear(5, 5, bias=False)
    expected += x @ (net.direct.weight * torch.tensor([[float(q > r) for r in rank] for q in rank])).T
    torch.testing.assert_close(net(x, masks(rank, hidden, direct=True)), expected)


@pytest.mark.parametrize("flipped", [False, True])
def test_products_in_blocks_are_those_of_masked_weights(flipped):
    rank, net = torch.arange(1, 301), MaskedMLP(300, (290, 270), "tanh", outputs=2, direct=True)
    rank = rank.flip(0) if flipped else rank
    hidden = [degree.sort().values for degree in degrees(300, (290, 270), 0)]
    fixed, plain = FixedMasks(rank, hidden, 2, direct=True), masks(rank, hidden, 2, direct=True)
    assert all(mask.blocks for mask in fixed)
    x = torch.rand(3, 300, requires_grad=True)
    found = []
    for every in (fixed, plain):
        loss = net(x, every).square().mean()
        first = torch.autograd.grad(loss, [x, *net.parameters()], create_graph=True)
        found.append((loss, *first, *torch.autograd.grad(first[0].square().sum(), [*net.parameters()])))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


def test_masks_follow_degrees_that_are_loaded():
    model, other, x = MADE(BITS, (9,)), MADE(BITS, (9,), order="reverse", order_seed=1), STATES[:5]
    model.load_state_dict(other.state_dict())
    assert torch.equal(model.log_prob(x), other.log_prob(x))


def test_training_takes_masks_in_turn():
    model, x = MADE(BITS, (9,), masks=3), STATES[:50]
    for step in range(4):
        (update,) = model.updates(lambda: Batch(x), Clock(step, 4))
        torch.testing.assert_close(update.loss, -model.chain(step % 3).log_prob(x.flatten(1)).mean())


def test_order_agnostic_training_estimates_the_mean_over_all_orders():
    model = NADE(Spec((3,), "binary"), 4, order_agnostic=True)
    x = torch.tensor([[1.0, 0.0, 1.0]])
    orders = [torch.tensor(order) for order in itertools.permutations(range(3))]
    chains = []
    for order in orders:
        model.places = order[None]
        chains.append(float(model.chain(0).log_prob(x).detach()))
    torch.manual_seed(0)
    found = model.training_log_prob(Batch(x.expand(200_000, 3)), Clock(0, 1)).detach()
    error = float(found.std()) / math.sqrt(len(found))
    assert float(found.mean()) == pytest.approx(sum(chains) / 6, abs=4 * error)


def test_codes_are_hidden_units_that_have_seen_everything():
    x = STATES[:5]
    nade = made("nade")
    expected = torch.sigmoid(nade.net.bias + x.flatten(1) @ nade.net.weight)
    torch.testing.assert_close(nade.encode(x), expected)
    assert made("made-masks").encode(x).shape == (5, 11)


# Sampling -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAINS)
def test_cached_samples_are_those_of_recomputing_everything(name):
    model = made(name)
    for k in range(model.chains):
        with torch.no_grad():
            with seeded(5):
                cached = draw(model.chain(k), 300)
            with seeded(5):
                naive = draw(Recomputed(model.chain(k)), 300)
        assert torch.equal(cached, naive)
        assert len(cached.unique(dim=0)) > 50


def test_cached_samples_of_real_values_are_those_of_recomputing_everything():
    model = RNADE(Spec((5,), "real"), 8, 3, order="random")
    model.initialize(Batch(10 * torch.randn(100, 5) + 3))
    with torch.no_grad():
        with seeded(5):
            cached = draw(model.chain(0), 300)
        with seeded(5):
            torch.testing.assert_close(cached, draw(Recomputed(model.chain(0)), 300), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", EVERY)
def test_samples_are_as_frequent_as_they_are_probable(name):
    spec = Spec((4,), "binary")
    model, n = made(name, spec), 40_000
    with torch.no_grad(), seeded(0):
        x = model.sample(n)
        states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
        p = model.log_prob(states).exp()
    found = (x[:, None] == states).all(2).float().mean(0)
    assert bool(((found - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all())


# Completions ----------------------------------------------------------------------------------------------------------


def posterior(model: Model, states: Tensor, x: Tensor, known: Tensor) -> Tensor:
    """p(state | what is known), by enumeration, (S,)."""
    with torch.no_grad():
        agrees = ((states == x) | (known == 0)).all(1)
        return torch.where(agrees, model.log_prob(states), -torch.inf).softmax(0)


def completed(model: Model, x: Tensor, known: Tensor, n: int) -> Tensor:
    """How frequent each of the states is among `n` completions, (S,)."""
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    with torch.no_grad(), seeded(0):
        y = model.complete(x.expand(n, 4), known.expand(n, 4))
    return (y[:, None] == states).all(2).float().mean(0)


@pytest.mark.parametrize(
    ("name", "known"),
    [(name, (1, 1, 0, 0)) for name in ("full-table", "independent", "markov", "fvsbn", "nade", "made")]
    + [(name, known) for name in ("full-table", "independent") for known in ((0, 1, 0, 1), (0, 0, 0, 1))],
)
def test_completions_are_exact_where_what_is_known_comes_first(name, known):
    spec = Spec((4,), "binary")
    model = {
        "fvsbn": lambda: FVSBN(spec), "nade": lambda: NADE(spec, 7), "made": lambda: MADE(spec, (9,))
    }.get(name, lambda: EVERY[name](spec))()  # fmt: skip
    for p in model.parameters():
        p.data.add_(torch.randn_like(p))
    states, x, n = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4), torch.tensor([1.0, 0, 1, 1]), 20_000
    p = posterior(model.eval(), states, x, torch.tensor(known))
    found = completed(model, x, torch.tensor(known).float(), n)
    assert bool(((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all())


@pytest.mark.parametrize("memory", [0, 1, 2, 3])
@pytest.mark.parametrize("order", ["raster", "random"])
@pytest.mark.parametrize("known", [(0, 0, 0, 1), (0, 1, 0, 1), (1, 0, 0, 1), (0, 0, 1, 0), (0, 0, 0, 0), (1, 1, 1, 1)])
def test_completions_of_a_markov_model_are_exact_given_all_that_is_known(memory, order, known):
    with seeded(memory):
        model = Markov(Spec((4,), "binary"), memory, order=order)
        for p in model.parameters():
            p.data.add_(1.5 * torch.randn_like(p))
    states, x, n = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4), torch.tensor([1.0, 0, 1, 1]), 20_000
    p = posterior(model, states, x, torch.tensor(known))
    found = completed(model, x, torch.tensor(known).float(), n)
    assert bool(((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 1e-9).all())
    chain = model.chain(0)
    with torch.no_grad():  # and how likely what is known is comes out on the way
        evidence = chain.ahead(x[None], torch.tensor([known]).float())[0]
        agrees = ((states == x) | (torch.tensor(known) == 0)).all(1)
        assert float(evidence) == pytest.approx(float(model.log_prob(states)[agrees].logsumexp(0)), abs=1e-5)


def test_each_example_of_a_markov_model_is_completed_by_its_own_mask(monkeypatch):
    from counterfeit.models.autoregressive.shared import tables

    model = made("markov-3")
    x, known = (torch.rand(9, 12) < 0.5).float(), (torch.rand(9, 12) < 0.5).float()
    monkeypatch.setattr(tables, "CELLS", 4 * len(model.logits))  # some at a time
    with seeded(0):
        y = model.complete(x.view(9, 1, 3, 4), known.view(9, 1, 3, 4)).view(9, 12)
    assert bool((y == x)[known == 1].all())
    assert not bool((y == x)[known == 0].all())


@pytest.mark.parametrize("name", ["fvsbn", "nade", "made-agnostic"])
def test_completions_given_later_values_are_near_the_posterior(name):
    spec = Spec((4,), "binary")
    model, states = made(name, spec), torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    x, known = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    p = posterior(model, states, x, known)
    blind = posterior(model, states, x, torch.zeros(4)).view(2, 2, 2, 2).sum((1, 3))  # of what is missing alone
    found = completed(model, x, known, 20_000)
    assert float((found - p).abs().max()) < 0.03
    assert float((p[p > 0] - blind.flatten()).abs().max()) > 0.01


def test_an_order_agnostic_nade_completes_exactly_in_some_order():
    spec = Spec((2,), "binary")
    model = NADE(spec, 5, order_agnostic=True)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p))
    x, known = torch.tensor([[0.0, 1.0]]).expand(20_000, 2), torch.tensor([[0.0, 1.0]]).expand(20_000, 2)
    expected = model.net(x[:1], torch.arange(2), known[:1]).sigmoid()[0, 0, 0].detach()  # p(x_0 | x_1)
    found = model.complete(x, known)[:, 0].mean()
    assert float(found) == pytest.approx(float(expected), abs=0.015)


def test_particles_estimate_how_likely_what_is_known_is():
    model = made("markov-3", Spec((6,), "binary"))
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
    x, known = torch.tensor([1.0, 0, 1, 0, 1, 1]), torch.tensor([0.0, 1, 0, 1, 1, 0])
    with torch.no_grad(), seeded(0):
        agrees = ((states == x) | (known == 0)).all(1)
        exact = float(model.log_prob(states)[agrees].exp().sum())
        _, evidence = fill(model.chain(0), x.expand(4_000, 6), known.expand(4_000, 6), 8)
    values = evidence.exp()  # unbiased
    assert float(values.mean()) == pytest.approx(exact, abs=4 * float(values.std()) / math.sqrt(4_000))


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [FullTable, Independent, Markov, FVSBN, NADE, MADE])
def test_data_that_are_not_binary_are_refused(cls):
    with pytest.raises(ValueError, match="Add `binarize`"):
        cls(Spec((1, 3, 3), "image"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RNADE(BITS), "expects real"),
        (lambda: RNADE(Spec((2,), "real"), components=0), "at least one Gaussian"),
        (lambda: NADE(BITS, 0), "at least one unit"),
        (lambda: NADE(BITS, orders=3), "with order_agnostic"),
        (lambda: MADE(BITS, ()), "at least one unit"),
        (lambda: MADE(BITS, masks=0), "at least one mask"),
        (lambda: FVSBN(BITS, "spiral"), "one of raster"),
    ],
)
def test_settings_that_make_no_model_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_coin_has_the_probability_of_its_log_odds():
    logits, x = torch.randn(5), torch.rand(5).round()
    expected = -binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(Bernoulli().log_prob(logits, x), expected)
    assert issubclass(NADE, Autoregressive)
