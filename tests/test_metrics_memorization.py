"""Memorization: copies must be flagged, new data must not, and the statistics must be what their papers define."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from counterfeit.common.numerics import Neighbours
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.coverage.memorization import MEMORIZATION, authentic, data_copying, near_copies, ratio
from counterfeit.metrics.stats.rank_tests import average_precision, exceedance, mann_whitney, midranks

N = 600


class Clusters(Source):
    """Three clusters of pictures on a low-dimensional sheet."""

    name, summary = "clusters", "three clusters"

    def __init__(self) -> None:
        self.spec = Spec((20,), "real")
        g = torch.Generator().manual_seed(0)
        sheet = torch.randn(6, 20, generator=g)
        centres = 4 * torch.randn(3, 6, generator=g)
        codes = centres[torch.arange(3_200) % 3] + torch.randn(3_200, 6, generator=g)
        x = codes @ sheet
        self.parts = {"train": x[:1_000], "test": x[1_000:2_000], "valid": x[2_000:2_100]}
        self.fresh = x[2_100:]

    def split(self, name):
        return InMemory(self.parts[name])


class Drawn(Model):
    def __init__(self, x: torch.Tensor) -> None:
        super().__init__(Spec(tuple(x.shape[1:]), "real"))
        self.x, self.at, self.scale = x, 0, nn.Parameter(torch.ones(()))

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def sample(self, n, y=None):
        self.at += n
        return self.x[self.at - n : self.at]


def result_of(x, source):
    return MEMORIZATION.compute(Drawn(x), source, Evaluation(samples=len(x)))


def mixed(source, share):
    copies = int(share * N)
    return torch.cat([source.parts["train"][:copies], source.fresh[: N - copies]])


def test_training_examples_are_flagged():
    source = Clusters()
    result = result_of(source.parts["train"][:N], source)
    assert result.value == 1.0
    assert result.details["z"] < -20
    assert result.details["ratio"] == 0
    assert result.details["authenticity"] == 0
    assert result.details["near_copies"] == 1
    assert "look copied" in result.warning


def test_new_data_are_not_flagged():
    source = Clusters()
    result = result_of(source.fresh[:N], source)
    assert result.value == pytest.approx(0.5, abs=3 * result.error)
    assert result.details["ratio"] == pytest.approx(1, abs=3 * result.details["ratio_error"])
    assert abs(result.details["z"]) < 3
    assert not result.warning


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_some_copies_among_new_data_are_flagged(share):
    source = Clusters()
    found, clean = result_of(mixed(source, share), source), result_of(mixed(source, 0.0), source)
    assert found.details["near_copies"] == pytest.approx(share + (1 - share) * clean.details["near_copies"], abs=0.02)
    assert "look copied" in found.warning
    assert found.value > clean.value + share / 4


def test_copies_with_noise_are_flagged():
    source = Clusters()
    with seeded(0):
        noisy = source.parts["train"][:N] + 0.1 * torch.randn(N, 20)
    assert "look copied" in result_of(noisy, source).warning


def test_samples_far_from_all_data_hide_no_copies():
    source = Clusters()
    with seeded(0):
        x = torch.cat([source.parts["train"][: N // 5], 9 * torch.randn(N - N // 5, 20)])
    assert "look copied" in result_of(x, source).warning


def test_samples_shrunk_towards_the_middle_are_near_but_no_copies():
    source = Clusters()
    train = source.parts["train"]
    blurred = train[torch.cdist(source.fresh[:N], train).topk(30, largest=False).indices].mean(1)
    result = result_of(blurred, source)
    assert result.details["z"] < -3
    assert "blurred" in result.warning
    assert "look copied" not in result.warning


def test_result_carries_protocol_and_errors():
    source = Clusters()
    result = result_of(source.fresh[:100], source)
    assert result.n == 100
    assert result.protocol.startswith("how often one of 100 samples is nearer to train than one spread over held-out")
    assert "train n=1000; test n=1000" in result.protocol
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_flags_are_rare_on_new_data():
    with seeded(0):
        warned = [near_copies(torch.rand(300, 2).sort(1).values, torch.rand(300, 2).sort(1).values) for _ in range(400)]
    assert sum(p < 0.01 for _, p in warned) <= 12  # expected in 4
    assert sum(p < 0.1 for _, p in warned) >= 20  # expected in 40: the p value is no bound far off


def test_held_out_examples_are_spread_over_the_split():
    class Sorted(Clusters):
        def split(self, name):
            return InMemory(torch.arange(10.0)[:, None].expand(-1, 20))

    assert evenly_spaced(Sorted(), "test", 5).x[:, 0].tolist() == [0, 3, 4, 7, 8]  # even and odd ones by turns
    assert evenly_spaced(Sorted(), "test", 4).x[:, 0].tolist() == [0, 3, 6, 7]
    assert evenly_spaced(Sorted(), "test", 50).x[:, 0].tolist() == [*range(10)]


def test_cells_are_weighed_by_held_out_data():
    g = torch.Generator().manual_seed(0)
    ours, theirs = torch.rand(130, generator=g), torch.rand(190, generator=g)
    cells, others = torch.arange(130) % 2, (torch.arange(190) % 3 > 0).long()
    z = [mann_whitney(ours[cells == c], theirs[others == c]) for c in (0, 1)]
    n = [int((others == c).sum()) for c in (0, 1)]
    found = data_copying(ours, theirs, cells, others)
    assert found.cells == 2
    assert found.c_t == pytest.approx((n[0] * z[0] + n[1] * z[1]) / sum(n))
    assert found.z == pytest.approx((n[0] * z[0] + n[1] * z[1]) / (n[0] ** 2 + n[1] ** 2) ** 0.5)


def test_the_test_statistic_is_standard_normal_where_nothing_is_copied():
    with seeded(0):
        cells = [torch.randint(4, (200,)) for _ in range(2)]
        z = torch.tensor([data_copying(torch.rand(200), torch.rand(200), *cells).z for _ in range(400)])
    assert abs(float(z.mean())) < 0.2
    assert float(z.std()) == pytest.approx(1, abs=0.15)


def test_cells_with_few_points_are_left_out():
    cells = torch.cat([torch.zeros(50), torch.ones(5)]).long()
    assert data_copying(torch.rand(55), torch.rand(55), cells, cells).cells == 1


def test_few_points_are_compared_at_once():
    few, others = torch.rand(5), torch.rand(6)
    assert data_copying(few, others, torch.arange(5), torch.arange(6)).z == pytest.approx(mann_whitney(few, others))


@pytest.mark.parametrize("n", [1, 2, 10])
def test_few_samples_do(n):
    source = Clusters()
    assert 0 <= result_of(source.fresh[:n], source).value <= 1


def test_authenticity_compares_with_the_neighbour_of_the_neighbour():
    near = Neighbours(torch.tensor([[1.0], [3.0]]), torch.tensor([[0], [1]]))
    assert authentic(near, torch.tensor([2.0, 2.0])).tolist() == [False, True]


def test_ratio_and_its_error():
    g = torch.Generator().manual_seed(0)
    a, b = 2 + torch.rand(500, generator=g), 1 + torch.rand(400, generator=g)
    value, error = ratio(a, b)
    rows = [[torch.randint(n, (n,), generator=g) for n in (500, 400)] for _ in range(400)]
    assert value == pytest.approx(float(a.mean() / b.mean()))
    assert error == pytest.approx(float(torch.stack([a[i].mean() / b[j].mean() for i, j in rows]).std()), rel=0.15)


@pytest.mark.parametrize("ties", [False, True])
def test_rank_statistics_agree_with_scipy_and_scikit_learn(ties):
    stats, metrics = pytest.importorskip("scipy.stats"), pytest.importorskip("sklearn.metrics")
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(80, generator=g) + 0.5, torch.randn(120, generator=g)
    x, y = (x.round(), y.round()) if ties else (x, y)
    labels, scores = torch.cat([torch.ones(80), torch.zeros(120)]), torch.cat([x, y])
    expected = stats.mannwhitneyu(x.numpy(), y.numpy(), method="asymptotic", use_continuity=False)
    assert torch.equal(midranks(scores), torch.from_numpy(stats.rankdata(scores.numpy())))
    assert abs(mann_whitney(x, y)) == pytest.approx(float(stats.norm.isf(expected.pvalue / 2)))
    assert exceedance(x, y)[0] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(x, y) == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)


def test_delongs_error_is_the_spread_over_draws():
    g = torch.Generator().manual_seed(0)
    draws = [exceedance(torch.randn(60, generator=g) + 1, torch.randn(90, generator=g)) for _ in range(400)]
    values, errors = (torch.tensor(column) for column in zip(*draws, strict=True))
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.1)


def test_equal_numbers_exceed_each_other_half_of_the_time():
    same = torch.ones(30)
    assert exceedance(same, same) == (0.5, 0.0)
    assert mann_whitney(same, same) == 0.0


def test_empty_groups_are_an_error():
    with pytest.raises(ValueError, match="not empty"):
        exceedance(torch.ones(0), torch.ones(3))


def test_one_picture_repeated_is_copied():
    held_out = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)).sort(1).values
    share, p = near_copies(torch.tensor([[0.0, 1.0]]).repeat(600, 1), held_out)
    assert share == 1
    assert p < 1e-9


def test_copies_among_held_out_data_are_no_scale_of_zero():
    copies, new = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.9, 1.0]])
    held_out = torch.cat([copies.repeat(60, 1), new.repeat(240, 1)])
    assert near_copies(copies.repeat(300, 1), held_out)[0] == 1
    assert near_copies(copies.repeat(300, 1), held_out)[1] < 1e-9
    assert near_copies(held_out, held_out)[1] > 0.1  # a fifth of both are copies
    assert near_copies(new, copies)[1] == 1  # one of each says nothing


def test_held_out_data_that_were_trained_on_leave_no_ratio():
    assert ratio(torch.ones(5), torch.zeros(5)) == (None, None)
    assert ratio(torch.ones(1), torch.ones(5)) == (1.0, None)
