"""Mode coverage and the birthday paradox, where the number of modes and of different things is known."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.source import InMemory, Source, transformed
from counterfeit.data.sources.toy import Gaussian2D, Grid, Ring, TwoMoons
from counterfeit.engine.doctor.sample_statistics import reference
from counterfeit.metrics.coverage.birthday_paradox import SUPPORT, closest_pairs, support_size
from counterfeit.metrics.coverage.mode_coverage import MODES, mode_coverage
from counterfeit.transforms import Affine, Composition


class Drawn(Model):
    """Samples from a list, in order, over and over."""

    def __init__(self, x: torch.Tensor, kind="real") -> None:
        super().__init__(Spec(tuple(x.shape[1:]), kind))
        self.x, self.at, self.scale = x, 0, nn.Parameter(torch.ones(()))

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def sample(self, n, y=None):
        rows = torch.arange(self.at, self.at + n) % len(self.x)
        self.at += n
        return self.x[rows]


class Pictures(Source):
    """Noise that never repeats."""

    name, summary = "pictures", "uniform noise"

    def __init__(self) -> None:
        self.spec = Spec((1, 4, 4), "image")
        x = torch.rand(1_000, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        self.parts = {"train": InMemory(x[:500]), "valid": InMemory(x[500:600]), "test": InMemory(x[500:])}

    def split(self, name):
        return self.parts[name]


def test_samples_count_for_the_mode_within_three_deviations():
    modes = torch.tensor([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    x = torch.tensor([[0.29, 0.0], [0.0, -0.3], [9.0, 0.0], [10.31, 0.0], [20.0, 0.0]])
    found = mode_coverage(x, modes, 0.1)
    assert found.histogram.tolist() == [2, 0, 1]
    assert found.near.tolist() == [True, True, False, False, True]
    assert found.covered == 2


def test_one_stray_sample_covers_a_mode_but_not_well():
    modes = torch.tensor([[0.0], [1.0]])
    x = torch.cat([torch.zeros(999, 1), torch.ones(1, 1)])
    found = mode_coverage(x, modes, 0.01)
    assert (found.covered, found.well_covered) == (2, 1)


@pytest.mark.parametrize("source", [Ring(), Grid()], ids=["ring", "grid"])
def test_real_data_reach_every_mode_with_the_known_share_of_quality(source):
    result = MODES.compute(Drawn(source.sample(20_000)), source, Evaluation(samples=20_000))
    details = result.details
    assert result.value == details["touched"] == len(source.modes)
    expected = 1 - math.exp(-4.5)  # of a Gaussian in the plane, within three standard deviations
    wide = details["high_quality_high"] - details["high_quality_low"]
    assert details["high_quality"] == pytest.approx(expected, abs=wide)
    assert details["kl"] < 5e-3
    assert result.references["real"].value == len(source.modes)
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_dropped_modes_are_missed():
    source = Grid()
    x = source.sample(5_000)
    kept = x[torch.cdist(x, source.modes).argmin(1) < 5]
    result = MODES.compute(Drawn(kept), source, Evaluation(samples=1_000))
    assert result.value == 5
    assert result.details["kl"] == pytest.approx(math.log(5), abs=0.02)
    assert result.details["high_quality"] > 0.97


def test_samples_near_no_mode():
    result = MODES.compute(Drawn(torch.full((10, 2), 50.0)), Ring(), Evaluation(samples=10))
    assert (result.value, result.details["high_quality"], result.details["kl"]) == (0, 0, None)


def test_modes_are_for_sources_that_name_them():
    assert [MODES.applies(s) for s in (Grid(), TwoMoons(), Gaussian2D(), Pictures())] == [True, False, False, False]
    assert not MODES.applies(transformed(Grid(), Composition(Affine(0.0, 2.0))))  # its modes lie elsewhere now
    with pytest.raises(ValueError, match="names no modes"):
        MODES.compute(Drawn(torch.zeros(3, 1, 4, 4)), Pictures(), Evaluation())


class Corners(Source):
    """A mixture that is no toy density of the catalogue."""

    name, summary, spec = "corners", "two points, blurred", Spec((2,), "real")
    modes, std = torch.tensor([[0.0, 0.0], [5.0, 5.0]]), 0.1

    def split(self, name):
        with seeded(("train", "valid", "test").index(name)):
            return InMemory(self.modes.repeat(200, 1) + self.std * torch.randn(400, 2))


def test_any_source_may_name_its_modes():
    source = Corners()
    assert MODES.applies(source)
    assert MODES.compute(Drawn(source.split("test").x), source, Evaluation(samples=400)).value == 2
    assert reference(source, torch.device("cpu"), 0).kinds == "modes"


def test_closest_pairs_agree_with_all_distances():
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    distances, rows = closest_pairs(x, 20)
    expected = torch.pdist(x).sort().values[:20]
    assert torch.allclose(distances, expected, atol=1e-5)
    assert torch.allclose((x[rows[:, 0]] - x[rows[:, 1]]).norm(dim=1), expected, atol=1e-5)
    assert bool((rows[:, 0] < rows[:, 1]).all())


def test_closest_pairs_are_found_across_tiles(monkeypatch):
    monkeypatch.setattr("counterfeit.common.numerics.TILE", 1)
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    x[190] = x[3]
    distances, rows = closest_pairs(x, 5)
    assert rows[0].tolist() == [3, 190]
    assert distances.tolist() == pytest.approx(torch.pdist(x).sort().values[:5].tolist(), abs=1e-5)


@pytest.mark.parametrize("size", [50, 400])
def test_the_support_of_draws_from_a_list(size):
    things = 10 * torch.randn(size, 8, generator=torch.Generator().manual_seed(0))
    with seeded(1):
        found = support_size(things[torch.randint(size, (1_500,))], 0.1)
    assert found.size == pytest.approx(size, abs=4 * found.error)
    assert found.error < 0.1 * size


def test_uneven_draws_have_the_support_of_their_collisions():
    p = torch.tensor([0.5, 0.25, 0.125, 0.125])
    with seeded(0):
        found = support_size(torch.multinomial(p, 2_000, replacement=True)[:, None].float(), 0.5)
    assert found.size == pytest.approx(1 / float(p.square().sum()), abs=4 * found.error)


def test_no_duplicates_give_a_lower_bound():
    found = support_size(torch.arange(100.0)[:, None], 0.5)
    assert (found.size, found.error, found.duplicates) == (100 * 99 / 2 / 3, None, 0)


def test_a_model_of_few_pictures_is_caught_and_real_data_are_not():
    source = Pictures()
    few = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(3))
    with seeded(0):
        drawn = few[torch.randint(30, (500,))]
    caught = SUPPORT.compute(Drawn(drawn, "image"), source, Evaluation(samples=500))
    fresh = SUPPORT.compute(Drawn(torch.rand(500, 1, 4, 4), "image"), source, Evaluation(samples=500))
    assert caught.value == pytest.approx(30, abs=4 * caught.error)
    assert fresh.value > 3_000
    assert caught.references["real"].value > 3_000
    assert caught.details["closest"][0][2] == 0
    assert json.loads(json.dumps(caught.to_dict())) == caught.to_dict()


def test_a_model_that_never_repeats_says_so():
    far = 100 * torch.randn(100, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    result = SUPPORT.compute(Drawn(far, "image"), Pictures(), Evaluation(samples=100))
    assert result.error is None
    assert "lower bound" in result.warning


def test_too_few_samples_are_an_error():
    with pytest.raises(ValueError, match="two at least"):
        support_size(torch.zeros(1, 2), 0.1)
    with pytest.raises(ValueError, match="between 1 and 1 pairs"):
        closest_pairs(torch.zeros(2, 2), 2)


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 0.1])
def test_copies_of_one_picture_are_one_thing(threshold):
    x = torch.rand(1, 64, generator=torch.Generator().manual_seed(0)).repeat(600, 1)
    assert support_size(x, threshold).size == 1
    assert closest_pairs(x, 5)[0].tolist() == [0.0] * 5


def test_copies_among_others_count_at_any_threshold():
    x = 1_000 + torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    found = support_size(torch.cat([x, x[:100]]), 0.0)
    assert found.duplicates == 100


def test_the_closest_pair_is_found_where_rounding_hides_it():
    x = 1_000 + torch.rand(300, 64, generator=torch.Generator().manual_seed(0))
    x[200] = x[7]
    x[100] = x[50] + 1e-3
    distances, pairs = closest_pairs(x, 2)
    assert pairs.tolist() == [[7, 200], [50, 100]]
    assert distances[0] == 0
