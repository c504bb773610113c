"""How many threads share a step: counted from its work, said, recorded, and taken by what follows training."""

import pytest
import torch

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.catalogue import build, configure
from counterfeit.cli import main
from counterfeit.common import numerics, threads
from counterfeit.common.threads import GRAIN, using, worth
from counterfeit.config.nested import load_yaml
from counterfeit.config.settings import Train
from counterfeit.core import Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.engine.work import work

CPU = torch.device("cpu")
TINY = {"model": {"hidden": [8], "discriminator_hidden": [8], "noise_dim": 2},
        "train": {"steps": 4, "batch_size": 8, "save_every": 2, "tensorboard": False}}  # fmt: skip


class Points(Source):
    name, summary, spec, fingerprint = "points", "", Spec((3,), "real"), ""

    def split(self, _):
        return InMemory(torch.zeros(16, 3))


class Linear(Model):
    """One product forward, (B, 3) by (3, 5), and one backward, of the same work, for the weights alone."""

    def __init__(self):
        super().__init__(Spec((3,), "real"))
        self.layer = torch.nn.Linear(3, 5)

    def updates(self, draw, clock):
        yield Update(self.layer(draw().x).sum() + torch.randn(()))


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(threads, "AVAILABLE", 4)


def test_the_work_of_a_step_is_that_of_its_products():
    counted = work(Linear(), Points(), Train(batch_size=8))
    assert (counted.operations, counted.products) == (2 * 2 * 8 * 3 * 5, 2)
    assert counted.each == 240


def test_micro_batches_are_smaller_products():
    whole, pieces = (work(Linear(), Points(), Train(batch_size=8, micro_batches=n)) for n in (1, 2))
    assert pieces.operations == whole.operations
    assert pieces.each == whole.each / 2


def test_counting_changes_nothing():
    model, state = Linear(), torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    work(model, Points(), Train(batch_size=8))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("work", "expected"), [(0, 1), (GRAIN, 1), (2 * GRAIN, 2), (3.9 * GRAIN, 3), (1e15, 4)])
def test_an_operation_is_worth_a_thread_for_every_grain(four, work, expected):
    assert worth(work) == expected


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with using(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with using(None):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["gan", "gan-mnist-2014", "vae", "gan-bimodal"])
def test_recipes_of_small_nets_are_worth_one_thread(four, name):
    recipe = catalogue.recipe(name)
    config = configure(recipe, {"data": {"name": "digits"}} if "mnist" in name else {})
    source = catalogue.source(config.data)
    assert work(build(config, source, CPU), source, config.train).threads == 1


def test_the_choice_is_said_and_recorded_and_taken_by_what_follows(four, tmp_path, capsys, monkeypatch):
    taken = []
    monkeypatch.setattr("counterfeit.run.training.using", lambda n: taken.append(n) or using(n))
    monkeypatch.setattr("counterfeit.common.threads.GRAIN", 1.0)
    run = cf.train("gan", out=tmp_path / "run", settings=TINY)
    assert capsys.readouterr().err.splitlines()[0].startswith("threads: 4 of 4, for steps of ")
    assert load_yaml((run.path / "run.yaml").read_text(), "")["threads"] == 4
    assert run.config.train.threads == 0
    monkeypatch.setattr(threads, "AVAILABLE", 1)  # another machine
    run.sample(2)
    run.evaluate("nearest", samples=20)
    cf.resume(run.path, {"train.steps": 6}, show=False)
    assert set(taken) == {4}


def test_a_number_that_is_given_counts(four, tmp_path):
    run = cf.train("gan", out=tmp_path / "run", settings={**TINY, "train.threads": 2}, show=False)
    assert run.threads == 2
    assert torch.get_num_threads() != 2


@pytest.mark.parametrize("verb", ["theory", "report", "sample"])
def test_verbs_share_nothing_among_threads_that_is_not_worth_it(verb, monkeypatch):
    seen = []
    monkeypatch.setattr(f"counterfeit.cli.{verb}.run", lambda *_: seen.append(torch.get_num_threads()) or 0)
    with using(2):
        assert main([verb, "x"]) == 0
    assert seen == [1]


def test_a_large_product_of_distances_takes_the_threads_that_it_is_worth(four, monkeypatch):
    taken = []
    monkeypatch.setattr("counterfeit.common.numerics.using", lambda n: taken.append(n) or using(1))
    x = torch.zeros(64, 3)
    list(numerics.squared_distances(x, x))
    monkeypatch.setattr(threads, "GRAIN", 2.0 * 64 * 64)
    list(numerics.squared_distances(x, x))
    assert taken == [torch.get_num_threads(), 3]


def test_no_recipe_names_threads_that_the_work_of_its_step_chooses():
    named = {name for name, recipe in catalogue.recipes().items() if "threads" in recipe.settings.get("train", {})}
    assert named == set()
