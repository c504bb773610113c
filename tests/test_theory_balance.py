"""Games out of balance and spreads over seeds: what the lessons set up, in small."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from counterfeit.report.theory import balance, balance_runs, stability, stability_runs
from counterfeit.report.theory.balance_runs import GAMES, MOVES, Look
from counterfeit.report.theory.stability_runs import MODELS, Outcome


def test_the_engine_walks_the_path_of_the_map():
    paths = {"at once": balance_runs.pointed(True), "in turn": balance_runs.pointed(False)}
    assert [finding.what for finding in balance._paths(paths) if not finding.holds] == []


def test_games_have_the_same_number_of_moves_together():
    assert {MOVES % (rules.discriminator_steps + rules.generator_steps) for rules in GAMES.values()} <= {0, 2}


def test_a_generator_alone_moves_while_its_discriminator_stands_still():
    rules = GAMES["1 : 1"]
    train = replace(balance_runs.TRAIN, steps=2, schedule="constant")
    model, looks = balance_runs._game(None, rules, train, 1)
    before = {name: p.clone() for name, p in model.named_parameters()}
    waits = replace(train, parts={"discriminator": {"lr": 0.0}})
    _, after = balance_runs._game(model, replace(rules, generator_steps=3), waits, 2)
    moved = {name.split(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"generator"}
    assert [[look.moves for look in seen] for seen in (looks, after)] == [[0, 2], [0, 3, 6]]


def test_few_data_are_the_first_of_all(monkeypatch):
    monkeypatch.setattr(balance_runs, "PIXELS", 2)
    monkeypatch.setattr(balance_runs, "EVERY", 1)
    found = balance_runs.few(0)
    assert [*found] == [*balance_runs.FEW]
    assert all([one.step for one in opinions] == [0, 1, 2] for opinions in found.values())


def test_what_a_lost_balance_shows_is_told():
    look = Look(0, torch.zeros(2, 2), 8, 0.01, 0.0)
    lost = look._replace(moves=400, modes=1, distance=1.0, logit=2.0)
    assert all(finding.holds for finding in balance._alone({"early": [look, lost], "late": [look, look]}))
    assert not any(finding.holds for finding in balance._alone({"early": [look, look], "late": [look, lost]}))


def outcome(*distances: float) -> Outcome:
    return Outcome([*range(len(distances))], [*distances], torch.zeros(1, 2))


def test_a_game_that_is_as_stable_as_others_is_told():
    calm = [outcome(1.0, 0.1, 0.011, 0.01), outcome(1.0, 0.1, 0.01, 0.0101)]
    wild = [outcome(1.0, 0.1, 0.01, 0.5), outcome(1.0, 0.1, 0.2, 0.1)]
    others = dict.fromkeys(("flow", "VAE", "diffusion"), calm)
    assert all(finding.holds for finding in [*stability._ends({**others, "GAN": wild}),
                                             *stability._spreads({**others, "GAN": wild})])  # fmt: skip
    (failed,) = [finding.what for finding in stability._spreads({**others, "GAN": calm}) if not finding.holds]
    assert failed.startswith("GAN: standard deviation")


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_trained_on_the_same_draws(name, monkeypatch):
    monkeypatch.setattr(stability_runs, "SEEN", 20)
    monkeypatch.setattr(stability_runs, "EVERY", 1)
    seen, draw = [], stability_runs._draw
    monkeypatch.setattr(stability_runs, "_draw", lambda *wanted: seen.append(wanted) or draw(*wanted))
    recipe = MODELS[name]
    found = stability_runs._outcome(name, recipe._replace(train=replace(recipe.train, steps=2, batch_size=4)), 5)
    assert found.steps == [0, 1, 2]
    assert found.samples.shape == (20, 2)
    assert seen == [(5, 20, -1), (5, 4, 0), (5, 4, 1)]
