"""What units pass of values and of gradients: closed forms against draws, autograd and bounds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from counterfeit.common.seeding import seeded
from counterfeit.nets.mlp import MLP
from counterfeit.report.theory import unit_games, units
from counterfeit.report.theory.unit_games import PLACES, WAYS, made, signals, watched_game
from counterfeit.theory.signals import DEFAULT, STEEPEST, UNITS, passed, propagated

SAID = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


@pytest.mark.parametrize("unit", SAID)
@pytest.mark.parametrize("variance", [0.1, 4.0])
def test_what_units_pass_is_the_mean_over_draws(unit, variance):
    a = variance**0.5 * torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a.requires_grad_()
    (slope,) = torch.autograd.grad(SAID[unit](a).sum(), a)
    found = passed(unit, variance)
    assert found.square == pytest.approx(float(SAID[unit](a).detach().square().mean()), rel=0.01)
    assert found.slope == pytest.approx(float(slope.square().mean()), rel=0.01)
    assert found.slope <= STEEPEST[unit] ** 2


def test_maxout_of_two_passes_what_it_gets():
    a = torch.randn(400_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert passed("maxout", 3.0).square == pytest.approx(float(3 * a.amax(1).square().mean()), rel=0.01)


def test_small_sums_meet_the_slope_at_zero():
    for unit, slope in (("sigmoid", 1 / 16), ("tanh", 1.0)):
        assert passed(unit, 0.0).slope == pytest.approx(slope)
    assert passed("sigmoid", 0.0).square == pytest.approx(1 / 4)


def test_negative_variance_is_refused():
    with pytest.raises(ValueError, match="variance=-1"):
        passed("tanh", -1.0)


@pytest.mark.parametrize("unit", UNITS)
def test_gradients_through_wide_nets_are_as_propagated(unit):
    width, depth = 600, 4
    with seeded(0):
        net = MLP(width, (width,) * depth, width, unit, maxout_pieces=2).double()
        x = torch.randn(40, width, dtype=torch.float64, requires_grad=True)
        direction = torch.randn(40, width, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((net.hidden(x) * direction).sum(), x)
    squares, gains = propagated(unit, depth, bias=DEFAULT / width)
    assert float(gradient.norm() / direction.norm()) == pytest.approx(math.prod(gains), rel=0.06)
    # values of rectifiers share a mean, which varies with the weights that are drawn
    assert float(net.hidden(x).detach().square().mean()) == pytest.approx(squares[-1], rel=0.2)


def test_rectifiers_of_he_and_others_keep_every_size():
    squares, gains = propagated("relu", 30, weight=2.0)
    assert squares == pytest.approx([1.0] * 30)
    assert gains == pytest.approx([1.0] * 30)


def test_signals_are_the_gradients_of_the_logit():
    with seeded(1):
        game = made("tanh").eval()
        z = game.prior(1).requires_grad_()
        x = game.generator(z)
        logit = game.discriminator(x)
        expected = torch.autograd.grad(logit.sum(), [z, x])
        found = dict(zip(PLACES, signals(game, z), strict=True))
    for place, gradient in zip(("z", "x"), expected, strict=True):
        assert float(found[place]) == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert float(found["D3"]) == pytest.approx(float(game.discriminator.last.weight.detach().norm()), rel=1e-5)


def test_no_gradient_exceeds_the_bound():
    for kind in ("sigmoid", "tanh", "relu"):
        with seeded(2):
            game = made(kind).eval()
            for layer in game.modules():
                if isinstance(layer, nn.Linear):
                    layer.weight.data *= 3
            assert float(signals(game, game.prior(1))[0]) <= units.bound(game, kind)


def test_gradients_at_the_start_are_as_the_lesson_says():
    starts = {kind: units._start(kind, 0) for kind in UNITS}
    found = [*units._layers(starts), *units._bound(0)]
    assert [finding.what for finding in found if not finding.holds] == []


@pytest.mark.parametrize("way", WAYS)
def test_games_are_looked_at_from_the_initial_weights_on(way, monkeypatch):
    monkeypatch.setattr(unit_games, "EVERY", 2)
    looks = watched_game("sigmoid", way, 0, steps=4)
    assert [look.step for look in looks] == [0, 2, 4]
    assert {look.norms.shape for look in looks} == {(len(PLACES),)}
    assert all(look.fid > 1 for look in looks)
