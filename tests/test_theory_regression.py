"""What an error asks for: means and medians by quadrature, and the nets that are asked for one of two answers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.distributions import Exponential, Normal

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Clock
from counterfeit.report.theory import two_answers
from counterfeit.report.theory.stepped import stepped
from counterfeit.report.theory.two_answers import LINE, SIGMA, UPPER, Game, Regression
from counterfeit.theory import quadrature

WIDE = quadrature.rule(-40.0, 40.0)
INPUTS = torch.linspace(-1, 1, 9)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.975])
def test_quantiles_are_those_of_closed_forms(share):
    normal = Normal(torch.tensor(1.0).double(), 2.0)
    exact = float(normal.icdf(torch.tensor(share).double()))
    assert float(quadrature.quantile(normal.log_prob, WIDE, share)) == pytest.approx(exact, abs=1e-5)


def test_median_of_an_exponential():
    line, rate = quadrature.rule(0.0, 60.0), torch.tensor(1.0).double()
    median = quadrature.quantile(Exponential(rate).log_prob, line)
    assert float(median) == pytest.approx(0.6931471805599453, abs=1e-6)


def test_half_of_the_mass_lies_left_of_the_median_of_two_branches():
    for at, median in zip(INPUTS, two_answers.median(INPUTS), strict=True):
        left = quadrature.rule(-3.0, float(median), 200)
        assert float(left.integrate(two_answers.log_prob(left.x, at).exp())) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="more than 0 and less than 1"):
        quadrature.quantile(Normal(0.0, 1.0).log_prob, WIDE, share)


def test_densities_of_answers_integrate_to_one_with_the_mean_that_is_said():
    for at in INPUTS:
        p = two_answers.log_prob(LINE.x, at).exp()
        assert float(LINE.integrate(p)) == pytest.approx(1, abs=1e-12)
        assert float(LINE.integrate(p * LINE.x)) == pytest.approx(float(two_answers.mean(at)), abs=1e-6)


def test_draws_follow_the_density():
    batch = two_answers.draw(0, 40_000, 0)
    answers, inputs = batch.x[:, 0], batch.y[:, 0]
    assert float((answers > 0).float().mean()) == pytest.approx(UPPER, abs=0.01)
    around = answers.abs() - two_answers.branch(inputs)
    assert float(around.std()) == pytest.approx(SIGMA, abs=0.002)
    entropy = -two_answers.log_prob(answers, inputs).mean()
    closed = 0.5 * torch.log(torch.tensor(2 * torch.pi * torch.e * SIGMA**2)) + 0.6108643  # and of the branch
    assert float(entropy) == pytest.approx(float(closed), abs=0.02)
    assert not torch.equal(batch.x, two_answers.draw(0, 40_000, 1).x)


@pytest.mark.parametrize(
    ("loss", "theory"), [("squared", two_answers.mean), ("absolute", two_answers.median)]
)  # fmt: skip
def test_nets_learn_what_their_error_asks_for(loss, theory):
    train = Train(lr=1e-2, schedule="linear", steps=300, batch_size=512, ema=0.99, device="cpu")
    net = stepped(lambda: Regression(loss), partial(two_answers.draw, 0), train, "a net")
    with torch.no_grad():
        assert float((net.answers(INPUTS) - theory(INPUTS)).abs().max()) < 0.12


def test_a_game_asks_its_discriminator_about_answers_with_their_inputs():
    with seeded(0):
        game, batch = Game(), two_answers.draw(0, 64, 0)
        fake = game.generate(batch)
        assert torch.equal(fake.y, batch.y)
        assert fake.x.shape == batch.x.shape
        players = [update.parts for update in game.updates(lambda: batch, Clock(0, 10))]
    assert players == [("discriminator",), ("generator",)]
    a, b = (game.discriminator_outputs(batch.x, y) for y in (batch.y, -batch.y))
    assert not torch.allclose(a, b)


def test_answers_of_a_game_differ_from_draw_to_draw():
    with seeded(0):
        game = Game().eval()
        with torch.no_grad():
            answers = game.answers(torch.zeros(100))
    assert answers.shape == (100,)
    assert float(answers.std()) > 0


def test_minibatches_without_inputs_are_refused():
    with pytest.raises(ValueError, match="without inputs"):
        Game().generate(Batch(torch.zeros(3, 1)))


def test_a_stepped_model_is_looked_at_from_the_start_to_the_end():
    seen = []
    train = Train(lr=1e-2, steps=5, batch_size=8, device="cpu")
    stepped(
        lambda: Regression("squared"), partial(two_answers.draw, 0), train, "a net", 2,
        lambda step, net: seen.append((step, float(net.answers(torch.zeros(1)).detach()))),
    )  # fmt: skip
    steps, answers = zip(*seen, strict=True)
    assert steps == (0, 2, 4, 5)
    assert len(set(answers)) == 4
