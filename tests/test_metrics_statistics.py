"""Statistics that metrics share, against brute force in float64."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from counterfeit.common.files import dumps
from counterfeit.common.numerics import (
    bits_per_dim,
    kmeans,
    logmeanexp,
    mean,
    mean_and_error,
    nearest,
    squared_distances,
)
from counterfeit.common.seeding import seeded
from counterfeit.core import Model, Spec, Update
from counterfeit.inference.draws import draw_samples, evaluating


class Uniform(Model):
    """Samples uniform noise through a dropout that is silent in evaluation mode."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__(Spec((1, 2, 2)))
        self.dropout, self.scale = nn.Dropout(0.5), nn.Parameter(torch.tensor(value))

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def sample(self, n, y=None):
        return self.dropout(self.scale * torch.rand(n, 1, 2, 2))


def points(n: int, dims: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, dims, generator=torch.Generator().manual_seed(seed))


def test_error_of_the_mean_has_no_degree_of_freedom_removed():
    mean, error = mean_and_error(torch.tensor([0.0, 0.0, 3.0]))
    assert mean == 1.0
    assert error == pytest.approx(math.sqrt(2) / math.sqrt(3))


def test_mean_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no values came"):
        mean_and_error(torch.empty(0))


def test_logmeanexp_equals_the_definition():
    x = points(4, 7).double()
    assert torch.allclose(logmeanexp(x, 1), x.exp().mean(1).log())


def test_uniform_over_256_values_is_8_bits_per_dimension():
    assert bits_per_dim(0.0, 784, offset=8.0) == 8.0  # as a density on [0, 1]
    assert bits_per_dim(-784 * math.log(256), 784) == pytest.approx(8.0, abs=1e-12)  # as a probability


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_distances_equal_brute_force(shift):
    x, y = points(300, 50) + shift, points(200, 50, seed=1) + shift
    expected = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    assert torch.allclose(torch.cat([*squared_distances(x, y)]).double(), expected, atol=2e-5)


def test_distances_come_in_tiles_of_bounded_size():
    sizes = [len(tile) for tile in squared_distances(torch.zeros(300, 1), torch.zeros(40_000, 1))]
    assert sizes == [104, 104, 92]


def test_distances_stay_in_float32_where_less_is_allowed():
    x, y = points(20, 784), points(30, 784, seed=1)
    expected = torch.cat([*squared_distances(x, y)])
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(torch.cat([*squared_distances(x, y)]), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_distances_of_unlike_rows_are_an_error():
    with pytest.raises(ValueError, match="rows of 3 and 4 values"):
        next(squared_distances(torch.zeros(1, 3), torch.zeros(1, 4)))


def test_nearest_equals_brute_force():
    x, y = points(50, 20), points(400, 20, seed=1)
    expected = torch.cdist(x.double(), y.double()).topk(3, largest=False)
    found = nearest(x, y, 3)
    assert torch.equal(found.indices, expected.indices)
    assert torch.allclose(found.distances.double(), expected.values, atol=1e-6)


def test_a_copy_lies_at_distance_zero():
    y = points(100, 784)
    found = nearest(y[:10], y)
    assert torch.equal(found.indices[:, 0], torch.arange(10))
    assert found.distances.max() == 0


@pytest.mark.parametrize("k", [0, 6])
def test_too_many_neighbours_or_centroids_are_an_error(k):
    with pytest.raises(ValueError, match="between 1 and 5"):
        nearest(torch.zeros(1, 2), torch.zeros(5, 2), k)
    with pytest.raises(ValueError, match="between 1 and 5"):
        kmeans(torch.zeros(5, 2), k)


def test_kmeans_finds_separate_clusters():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = centres.repeat_interleave(100, 0) + 0.1 * (points(300, 2) - 0.5)
    found = min((kmeans(x, 3, steps=10, seed=seed) for seed in range(5)), key=lambda c: nearest(x, c).distances.sum())
    assert nearest(centres, found).distances.max() < 0.05


def test_kmeans_does_not_touch_the_random_state_and_repeats():
    x, before = points(100, 2), torch.get_rng_state()
    first = kmeans(x, 5, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(kmeans(x, 5, seed=3), first)


def test_kmeans_keeps_a_centroid_without_points():
    assert torch.isfinite(kmeans(torch.zeros(5, 2), 3)).all()


def test_seeded_restores_the_random_state_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded(0):  # a draw, then an error
        torch.rand(1) @ torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_samples_repeat_under_a_seed_and_leave_everything_as_it_was():
    model, before = Uniform().train(), torch.get_rng_state()
    model.dropout.eval()
    x = draw_samples(model, 5, seed=1, batch_size=2)
    assert x.shape == (5, 1, 2, 2)
    assert not x.requires_grad
    assert torch.equal(x, draw_samples(model, 5, seed=1, batch_size=2))
    assert not torch.equal(x, draw_samples(model, 5, seed=2, batch_size=2))
    assert torch.equal(torch.get_rng_state(), before)
    assert (model.training, model.dropout.training) == (True, False)


def test_models_are_evaluated_in_evaluation_mode():
    model = Uniform().train()
    with evaluating(model, seed=0):
        assert not model.dropout.training
    assert model.dropout.training


def test_samples_that_are_not_finite_are_an_error():
    with pytest.raises(ValueError, match="not finite"):
        draw_samples(Uniform(float("nan")), 5)


def test_no_samples_are_an_error():
    with pytest.raises(ValueError, match="n=0"):
        draw_samples(Uniform(), 0)


def test_nearest_finds_copies_that_rounding_hides():
    generator = torch.Generator().manual_seed(0)
    y = 1_000 + 1e-3 * torch.randn(500, 20, generator=generator)
    near = nearest(y[:100], y, 2)
    assert torch.equal(near.indices[:, 0], torch.arange(100))
    assert not near.distances[:, 0].any()
    exact = (y[:100, None].double() - y.double()).norm(dim=2).sort(1)
    assert torch.equal(near.indices[:, 1], exact.indices[:, 1])
    assert torch.allclose(near.distances[:, 1].double(), exact.values[:, 1], rtol=1e-6)


def test_an_outlier_moves_no_other_distance():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=generator), torch.randn(300, 4, generator=generator)
    far = torch.cat([y, torch.full((1, 4), 1e12)])
    tiles = torch.cat([*squared_distances(x, far)])
    exact = (x[:, None].double() - y.double()).square().sum(2)
    assert torch.allclose(tiles[:, :300].double(), exact, atol=1e-4)
    assert torch.equal(nearest(x, far).indices, nearest(x, y).indices)


def test_what_is_too_far_for_the_type_is_infinitely_far():
    tile = torch.cat([*squared_distances(torch.zeros(2, 3), torch.tensor([[0.0] * 3, [1e30] * 3, [-3e38] * 3]))])
    assert tile.tolist() == [[0, math.inf, math.inf]] * 2


def test_as_near_as_another_is_named_first():
    y = torch.tensor([[1.0], [-1.0], [1.0]])
    assert nearest(torch.zeros(1, 1), y, 2).indices.tolist() == [[0, 1]]


def test_types_may_be_mixed():
    near = nearest(torch.tensor([[3]], dtype=torch.uint8), torch.tensor([[1.0], [4.0]], dtype=torch.float64))
    assert near.indices.tolist() == [[1]]
    assert near.distances.tolist() == [[1.0]]


def test_one_value_has_no_error():
    assert mean_and_error(torch.tensor([3.0])) == (3.0, None)
    assert mean(torch.tensor([3.0])).to_dict() == {"value": 3.0, "n": 1}


def test_values_that_are_no_numbers_have_no_mean():
    with pytest.raises(ValueError, match="not finite"):
        mean_and_error(torch.tensor([1.0, math.nan]))


def test_json_holds_no_nan():
    content = {"a": [1.0, math.nan], "b": (math.inf, "x", None, True, 3)}
    assert json.loads(dumps(content), parse_constant=pytest.fail) == {"a": [1.0, None], "b": [None, "x", None, True, 3]}
