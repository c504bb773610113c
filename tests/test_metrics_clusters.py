"""Matching of categories to classes against all permutations, and the accuracy it gives."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec
from counterfeit.data.source import InMemory, Source
from counterfeit.metrics.representation.clustering import CLUSTER_ACCURACY, matching


def test_the_matching_is_the_best_of_all_permutations():
    with seeded(0):
        found, y = torch.randint(5, (200,)), torch.randint(5, (200,))
    best = max(int((torch.tensor(p)[found] == y).sum()) for p in permutations(range(5)))
    assert int((matching(found, y, 5, 5)[found] == y).sum()) == best


def test_categories_left_over_stand_for_what_they_hold_most_of():
    found, y = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 0, 1, 1, 0])
    assert matching(found, y, 3, 2).tolist() == [0, 1, 0]


class Corners(Source):
    name, summary = "corners", "three points, each a class"
    spec = Spec((3,), "real", classes=3)

    def split(self, name):
        y = torch.arange(60) % 3
        return InMemory(torch.eye(3)[y], y)


class Shifted(Model):
    """Calls class c category c + 1, and mistakes as often as it is told."""

    def __init__(self, wrong: int):
        super().__init__(Spec((3,), "real", classes=3))
        self.weight, self.wrong = torch.nn.Parameter(torch.zeros(1)), wrong

    def updates(self, draw, clock):
        yield from ()

    def cluster(self, x):
        out = x.roll(1, 1).clone()
        out[: self.wrong] = x[: self.wrong]
        return out


@pytest.mark.parametrize("wrong", [0, 6])
def test_names_do_not_matter_but_mistakes_do(wrong):
    result = CLUSTER_ACCURACY.compute(Shifted(wrong), Corners(), Evaluation())
    assert result.value == pytest.approx(1 - wrong / 60)
    assert result.details["matched"] == [2, 0, 1]
