"""Variational autoencoders with flows, labels and gaps against quadrature; codebooks and their prior by enumeration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec, labels_of
from counterfeit.models.autoencoding.shared.code_transformer import CodeChain, CodeTransformer, TransformerSettings
from counterfeit.models.autoencoding.shared.codebook import Codebook, CodebookSettings
from counterfeit.models.autoencoding.shared.posterior import Posterior, PosteriorFlow, log_standard_normal
from counterfeit.models.autoencoding.vae import VAE, KLSettings, MissingSettings
from counterfeit.models.autoencoding.vq_vae import VQVAE
from counterfeit.models.autoregressive.shared.chain import Recomputed
from counterfeit.models.autoregressive.shared.chain import draw as draw_codes
from counterfeit.models.flow.shared.elementwise import GatedShift
from flat import flat

CLOCK = Clock(0, 10)
BITS, LABELLED = Spec((1, 2, 2), "binary"), Spec((1, 2, 2), "binary", classes=3)
STATES = torch.tensor([*product([0.0, 1.0], repeat=4)]).view(-1, 1, 2, 2)
SMALL = {"latent_dim": 1, "hidden": (8,)}


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    with seeded(0):
        yield


def heedful(model: VAE) -> VAE:
    """The model with a decoder that heeds its code, and proposals so wide that importance weights have no long tail."""
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(2.0)
        model.encoder.last.bias[model.latent_dim : 2 * model.latent_dim] += 0.5
    return model.eval()


def grid(dims: int, reach: float = 7.0) -> tuple[Tensor, float]:
    """Points of a grid over codes, (N, dims), and the volume that each stands for."""
    n = 2_001 if dims == 1 else 241
    axis = torch.linspace(-reach, reach, n)
    return torch.cartesian_prod(*[axis] * dims).view(-1, dims), (2 * reach / (n - 1)) ** dims


def evidence(model: VAE, x: Tensor, y: int | None = None) -> Tensor:
    """Log p(x), or log p(x | y), of each example by quadrature over codes, (B,)."""
    z, volume = grid(model.latent_dim)
    rows = None if y is None else torch.full((len(z),), y)
    parameters = model._decoder_says(z, rows)
    log_p = torch.stack([model.p.of_examples(one.expand(len(z), -1, -1, -1), parameters) for one in x])
    return (log_p + log_standard_normal(z).sum(1)).logsumexp(1) + math.log(volume)


# Posteriors -----------------------------------------------------------------------------------------------------------


def flowing(latent_dim: int = 3, flows: int = 3) -> tuple[Posterior, Tensor]:
    """A posterior with transforms, and what an encoder says of one example."""
    q = Posterior(latent_dim, PosteriorFlow(flows, (16,), context_dim=4, gate_bias=1.0))
    with torch.no_grad():
        for p in q.parameters():
            p.mul_(1.3)
    return q, torch.randn(1, 2 * latent_dim + 4) * 0.5


def test_the_density_of_transformed_codes_counts_the_volume_as_autograd_does():
    q, raw = flowing()
    noise = torch.randn(1, 3)
    volume = torch.linalg.slogdet(jacobian(lambda e: q.draw(raw, e[None]).z[0], noise[0])).logabsdet
    expected = log_standard_normal(noise).sum() - volume
    code = q.draw(raw, noise)
    torch.testing.assert_close(code.log_q.sum(), expected)
    torch.testing.assert_close(code.kl.sum(), expected - log_standard_normal(code.z).sum())


def test_the_density_of_given_codes_is_that_of_drawn_ones_and_integrates_to_one():
    q, raw = flowing(2)
    with torch.no_grad():
        code = q.draw(raw.expand(50, -1))
        torch.testing.assert_close(q.log_prob(code.z, raw.expand(50, -1)), code.log_q.sum(1), atol=1e-4, rtol=1e-4)
        z, volume = grid(2)
        total = float(q.log_prob(z, raw.expand(len(z), -1)).exp().sum()) * volume
    assert total == pytest.approx(1, abs=1e-3)


def test_a_gate_is_undone_and_never_stretches():
    gate, x, raw = GatedShift(1.5), torch.randn(100), torch.randn(100, 2)
    y, ladj = gate.forward(x, raw)
    torch.testing.assert_close(gate.inverse(y, raw), x, atol=1e-4, rtol=1e-4)
    assert bool((ladj < 0).all())
    slope = torch.stack([jacobian(lambda v, r=r: gate.forward(v, r)[0], v) for v, r in zip(x, raw, strict=True)])
    torch.testing.assert_close(slope.log(), ladj)


def test_transforms_fit_codes_that_depend_on_each_other_where_a_gaussian_cannot():
    """The closest independent Gaussian to one of correlation ρ is -log(1 - ρ²) / 2 nats away."""
    target = torch.distributions.MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.9], [0.9, 1.0]]))

    def fitted(flows: int) -> float:
        flow = PosteriorFlow(flows, (16,), context_dim=2)
        q, raw = Posterior(2, flow), torch.nn.Parameter(torch.zeros(1, flow.outputs(2)))
        optimizer = torch.optim.Adam([raw, *q.parameters()], 2e-2)
        for step in range(300):
            code = q.draw(raw.expand(256, -1))
            optimizer.param_groups[0]["lr"] = 2e-2 * (1 - step / 300)
            optimizer.zero_grad()
            (code.log_q.sum(1) - target.log_prob(code.z)).mean().backward()
            optimizer.step()
        with torch.no_grad():
            code = q.draw(raw.expand(20_000, -1))
            return float((code.log_q.sum(1) - target.log_prob(code.z)).mean())

    assert fitted(0) == pytest.approx(-0.5 * math.log(1 - 0.9**2), abs=0.03)
    assert fitted(2) < 0.05


@pytest.mark.parametrize("flows", [0, 2])
def test_importance_weighted_bounds_meet_the_evidence_by_quadrature(flows):
    model = heedful(flat(VAE, BITS, latent_dim=2, hidden=(8,), flows=flows, flow_hidden=(8,), context_dim=4))
    with torch.no_grad():
        exact = evidence(model, STATES)
        torch.testing.assert_close(exact.exp().sum(), torch.tensor(1.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(model.iwae(STATES, 20_000), exact, atol=0.05, rtol=0)
        elbo = torch.stack([model.elbo(STATES) for _ in range(2_000)]).mean(0)
    assert bool((elbo < exact + 0.03).all())


def test_an_estimate_of_the_divergence_may_be_negative_but_for_free_bits():
    kl = torch.tensor([[-0.4, 2.0], [0.0, 4.0]])  # means -0.2 and 3
    assert float(KLSettings().cost(kl, CLOCK)) == pytest.approx(2.8)
    assert float(KLSettings(free_bits=0.5, beta=2.0).cost(kl, CLOCK)) == pytest.approx(7.0)
    assert flat(VAE, BITS, free_bits=0.5).undivided == ("model.free_bits",)


def test_settings_of_transforms_are_checked():
    with pytest.raises(ValueError, match="flows=-1 and context_dim=64 came"):
        PosteriorFlow(flows=-1)


# Labels ---------------------------------------------------------------------------------------------------------------


def conditional(**settings: object) -> VAE:
    model = heedful(flat(VAE, LABELLED, **SMALL, conditional=True, **settings))
    with torch.no_grad():
        model.label_logits.copy_(torch.tensor([0.5, -0.5, 1.0]))
    return model


def test_bounds_of_a_conditional_model_are_of_the_label_or_of_all_together():
    model = conditional()
    with torch.no_grad():
        given = torch.stack([evidence(model, STATES, y) for y in range(3)], 1)
        assert float((given[:, 0] - given[:, 1]).abs().max()) > 0.05
        y = torch.arange(len(STATES)) % 3
        torch.testing.assert_close(model.iwae(STATES, 20_000, y), given.gather(1, y[:, None])[:, 0], atol=0.05, rtol=0)
        exact = (given + model.label_logits.log_softmax(0)).logsumexp(1)
        torch.testing.assert_close(model.iwae(STATES, 20_000), exact, atol=0.05, rtol=0)
        elbo, of_label = (torch.stack([model.elbo(STATES, *of) for _ in range(2_000)]).mean(0) for of in ((), (y,)))
    assert bool((elbo < exact + 0.03).all())
    assert bool((of_label < given.gather(1, y[:, None])[:, 0] + 0.03).all())


def test_the_training_loss_of_a_conditional_model_is_of_examples_and_labels_together():
    model, y = conditional(), torch.arange(len(STATES)) % 3
    with seeded(1):
        (update,) = model.updates(lambda: Batch(STATES, y), CLOCK)
    with seeded(1):
        expected = -(model.elbo(STATES, y) + model.label_logits.log_softmax(0)[y]).mean()
    torch.testing.assert_close(update.loss, expected)


def test_samples_follow_the_label_and_labels_their_probabilities():
    model = conditional()
    assert labels_of(model) == 3
    with torch.no_grad():
        for label in range(3):
            x = model.sample(20_000, torch.full((20_000,), label))
            found = torch.bincount((x.flatten(1).long() @ torch.tensor([8, 4, 2, 1])), minlength=16) / len(x)
            torch.testing.assert_close(found, evidence(model, STATES, label).exp(), atol=0.015, rtol=0)
        codes = model.prior(20_000)
    torch.testing.assert_close(codes[:, 1:].mean(0), model.label_logits.softmax(0), atol=0.015, rtol=0)
    assert model.encode(STATES)[:, 1:].sum(1).eq(1).all()


def test_a_conditional_model_asks_for_labels_and_a_plain_one_refuses_them():
    with pytest.raises(ValueError, match="expects labels"):
        flat(VAE, BITS, conditional=True)
    with pytest.raises(ValueError, match="without labels"):
        flat(VAE, BITS).elbo(STATES, torch.zeros(16, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels 3 to 3"):
        conditional().sample(2, torch.tensor([3, 3]))


@pytest.mark.parametrize(("shape", "conditional"), [((3, 64, 64), False), ((1, 20, 28), True), ((3, 32, 32), True)])
def test_convolutions_take_pictures_of_many_sizes(shape, conditional):
    model = flat(VAE, Spec(shape, classes=4), architecture="conv", width=2, latent_dim=3, conditional=conditional)
    y = torch.tensor([0, 3]) if conditional else None
    assert model.elbo(torch.rand(2, *shape), y).shape == (2,)
    assert model.eval().sample(2, y).shape == (2, *shape)


# Values that are missing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gaussian", "flows", "labels"])
def test_completions_are_draws_of_the_conditional(kind):
    """Two of four bits are known; what is drawn of the others is compared with quadrature over the code."""
    extra = {"flows": 1, "flow_hidden": (8,), "context_dim": 4} if kind == "flows" else {}
    steps = {"gibbs_steps": 5, "metropolis_steps": 40}
    model = conditional(**steps) if kind == "labels" else heedful(flat(VAE, BITS, **SMALL, **extra, **steps))
    with torch.no_grad():
        for known_bits in ([1.0, 0.0], [1.0, 1.0]):
            states = torch.tensor([[*known_bits, a, b] for a, b in product([0.0, 1.0], repeat=2)]).view(-1, 1, 2, 2)
            if kind == "labels":
                given = torch.stack([evidence(model, states, y) for y in range(3)], 1)
                joint = (given + model.label_logits.log_softmax(0)).logsumexp(1)
            else:
                joint = evidence(model, states)
            mask = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
            x = states[:1].expand(20_000, -1, -1, -1)
            y = model.complete(x, mask.expand_as(x)).flatten(1)
            assert torch.equal(y[:, :2], x.flatten(1)[:, :2])
            found = torch.bincount((y[:, 2:].long() @ torch.tensor([2, 1])), minlength=4) / len(y)
            torch.testing.assert_close(found, joint.softmax(0), atol=0.015, rtol=0)


def test_steps_that_take_every_proposal_alone_are_not_exact():
    """An encoder that is wrong misleads them; Metropolis-Hastings steps put it right."""
    steps = [{"gibbs_steps": 45, "metropolis_steps": 0}, {"gibbs_steps": 5, "metropolis_steps": 40}]
    off = []
    for settings in steps:
        with seeded(0), torch.no_grad():
            model = heedful(flat(VAE, BITS, **SMALL, **settings))
            model.encoder.last.bias[0] += 0.8
            mask = torch.tensor([0.0, 1.0, 1.0, 1.0]).view(1, 1, 2, 2)
            x = torch.zeros(20_000, 1, 2, 2)
            pair = torch.stack([x[0], x[0] + (1 - mask[0])])
            exact = evidence(model, pair).softmax(0)[1]
            off.append(abs(float(model.complete(x, mask.expand_as(x))[:, 0, 0, 0].mean() - exact)))
    assert off[0] > 0.03
    assert off[1] < 0.015


def test_hidden_values_reach_neither_the_encoder_nor_the_likelihood():
    model, x = flat(VAE, Spec((3, 4, 4)), missing_fraction=0.5, hidden=(8,)), torch.rand(6, 3, 4, 4)
    with seeded(3):
        seen = model.missing.seen(x)
    assert 0.3 < float(seen.mean()) < 0.7
    assert seen.shape == (6, 1, 4, 4)
    losses = []
    for filled in (x, torch.where(seen == 1, x, 1 - x)):
        with seeded(3):
            losses.append(next(model.updates(lambda filled=filled: Batch(filled), CLOCK)).loss)
    torch.testing.assert_close(*losses)
    with pytest.raises(ValueError, match="missing_fraction=1"):
        MissingSettings(missing_fraction=1.0)


# Codebooks ------------------------------------------------------------------------------------------------------------


def test_places_take_the_nearest_vector_and_vectors_the_mean_of_their_places():
    book = Codebook(CodebookSettings(codebook_size=4, code_dim=3, codebook_decay=0.0, restart_below=0.0))
    z = torch.randn(5, 3, 2, 3)
    before, rows = book.vectors.clone(), z.movedim(1, -1).reshape(-1, 3)
    codes = book.nearest(z)
    expected = torch.cdist(rows, before).argmin(1)
    assert torch.equal(codes.flatten(), expected)
    torch.testing.assert_close(book(codes).movedim(1, -1).reshape(-1, 3), before[expected])
    book.follow(z, codes)
    for k in range(4):
        mine = rows[expected == k]
        torch.testing.assert_close(book.vectors[k], mine.mean(0) if len(mine) else before[k])


def test_moving_averages_are_those_of_the_paper():
    book = Codebook(CodebookSettings(codebook_size=2, code_dim=1, codebook_decay=0.75, restart_below=0.0))
    book.vectors.copy_(torch.tensor([[-1.0], [1.0]]))
    book.sums.copy_(book.vectors / 2)
    z = torch.tensor([-3.0, 2.0, 4.0, 3.0]).view(4, 1, 1, 1)
    book.follow(z, book.nearest(z))
    torch.testing.assert_close(book.usage, torch.tensor([0.4375, 0.5625]))  # 0.75 / 2 + 0.25 (1/4, 3/4)
    sums = torch.tensor([0.75 * -0.5 + 0.25 * -0.75, 0.75 * 0.5 + 0.25 * 2.25])
    torch.testing.assert_close(book.vectors[:, 0], sums / book.usage)


def test_vectors_without_use_begin_anew_at_outputs():
    book = Codebook(CodebookSettings(codebook_size=8, code_dim=2, codebook_decay=0.5, restart_below=0.2))
    book.vectors[1:] += 100.0
    z = torch.randn(10, 2, 1, 2)
    for _ in range(4):
        book.follow(z, book.nearest(z))
    assert float(book.perplexity(book.nearest(z))) > 4
    assert float(book.vectors.abs().max()) < 10


def test_perplexity_counts_the_vectors_in_use():
    book = Codebook(CodebookSettings(codebook_size=9))
    assert float(book.perplexity(torch.tensor([[[0, 1], [2, 3]]]))) == pytest.approx(4)
    assert float(book.perplexity(torch.zeros(2, 3, 3, dtype=torch.int64))) == pytest.approx(1)


def vq(codebook: str = "ema", shape: tuple[int, ...] = (1, 2, 2), kind: str = "binary", **settings: object) -> VQVAE:
    sizes = {"codebook_size": 3, "code_dim": 2, "width": 4, "halvings": 1, "prior_width": 8, "prior_layers": 2}
    return flat(VQVAE, Spec(shape, kind), codebook=codebook, prior_heads=2, **sizes | settings)


def test_the_gradient_goes_straight_through_to_the_encoder():
    model, x = vq(), STATES
    update = next(model.updates(lambda: Batch(x), CLOCK))
    model.quantizer = CodebookSettings(commitment=0.0)
    free = next(model.updates(lambda: Batch(x), CLOCK))
    assert update.parts == ("encoder", "decoder")
    last = model.encoder.last
    (found,) = torch.autograd.grad(free.loss, last.bias)
    z = model.encoder(x)
    e = model.codebook(model.codebook.nearest(z)).detach().requires_grad_()
    (at_vectors,) = torch.autograd.grad(-model.p.of_examples(x, model.decoder(e)).mean(), e)
    torch.testing.assert_close(found, at_vectors.sum((0, 2, 3)))
    (pulled,) = torch.autograd.grad(update.loss, last.bias)
    torch.testing.assert_close(pulled - found, (2 * 0.25 * (z - e) / len(x)).sum((0, 2, 3)).detach())


def test_the_other_form_descends_the_distance_of_vectors_from_outputs():
    model = vq("loss")
    update, prior = model.updates(lambda: Batch(STATES), CLOCK)
    assert update.parts == ("encoder", "decoder", "codebook")
    assert prior.parts == ("code_prior",)
    assert model.undivided == ()
    (found,) = torch.autograd.grad(update.loss, model.codebook.vectors)
    z = model.encoder(STATES).detach().movedim(1, -1)
    codes = model.codebook.nearest(model.encoder(STATES))
    expected = torch.stack([2 * (e - z[codes == k]).sum(0) / 16 for k, e in enumerate(model.codebook.vectors)])
    torch.testing.assert_close(found, expected.detach())


def every_grid(model: VQVAE) -> Tensor:
    places = math.prod(model.grid)
    return torch.tensor([*product(range(model.quantizer.codebook_size), repeat=places)]).view(-1, *model.grid)


@torch.no_grad()
def test_bounds_lie_below_the_evidence_over_all_grids_of_codes_and_meet_it():
    model = vq(shape=(1, 4, 2))
    assert model.grid == (2, 1)
    x, grids = torch.rand(6, 1, 4, 2).round(), every_grid(model)
    assert float(model._log_p_codes(grids).exp().sum()) == pytest.approx(1, abs=1e-5)
    joint = torch.stack([model._log_joint(x, one.expand(len(x), -1, -1)) for one in grids], 1)
    exact, elbo = joint.logsumexp(1), model.elbo(x)
    own = torch.stack([(grids == codes).all(2).all(1).nonzero()[0, 0] for codes in model.codes(x)])
    torch.testing.assert_close(elbo, joint.gather(1, own[:, None])[:, 0])
    assert bool((elbo < exact).all())
    assert bool((model.iwae(x, 1) >= elbo).all())
    torch.testing.assert_close(model.iwae(x, 20_000), exact, atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 28), (1, 9, 5), (3, 64, 64)])
def test_grids_are_of_pictures_of_any_size(shape):
    model = vq(shape=shape, kind="image", halvings=2).eval()
    x = torch.rand(2, *shape)
    assert model.codes(x).shape == (2, -(-shape[1] // 4), -(-shape[2] // 4))
    assert model.decode(model.encode(x)).shape == x.shape
    assert model.elbo(x).shape == (2,)
    model.spec.check(model.sample(1), "samples")


def test_no_grid_is_of_what_is_no_picture():
    with pytest.raises(ValueError, match=r"images \(C, H, W\) are expected"):
        VQVAE(Spec((5,), "real"))
    with pytest.raises(ValueError, match="codebook_size=1"):
        CodebookSettings(codebook_size=1)


# The prior over codes -------------------------------------------------------------------------------------------------


def transformer(values: int = 3, places: int = 4) -> CodeTransformer:
    net = CodeTransformer(values, places, TransformerSettings(8, 2, 2))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return net.eval()


@torch.no_grad()
def test_a_code_hears_of_what_is_before_it_alone():
    net, codes = transformer(5, 6), torch.randint(5, (1, 6))
    before = net(codes)
    for i in range(6):
        moved = codes.clone()
        moved[0, i] = (moved[0, i] + 1) % 5
        changed = (net(moved) - before).abs().amax(2)[0] > 1e-6
        assert changed.tolist() == [place > i for place in range(6)]


@torch.no_grad()
def test_codes_asked_for_one_by_one_are_those_of_whole_passes():
    chain = CodeChain(transformer())
    with seeded(1):
        found = draw_codes(chain, 500)
    with seeded(1):
        torch.testing.assert_close(found, draw_codes(Recomputed(chain), 500))
    state = chain.begin(500)
    for i in range(4):
        torch.testing.assert_close(chain.ask(state, i), chain.parameters(found)[:, i], atol=1e-5, rtol=1e-5)
        state = chain.take(state, i, found[:, i])


@torch.no_grad()
def test_drawn_codes_are_as_frequent_as_the_prior_says():
    chain, n = CodeChain(transformer()), 40_000
    every = torch.tensor([*product(range(3), repeat=4)])
    p = chain.log_prob(every).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    found = torch.bincount((draw_codes(chain, n).long() @ torch.tensor([27, 9, 3, 1])), minlength=81) / n
    assert float((found - p).abs().max()) < 5 * float((p.max() / n).sqrt())
