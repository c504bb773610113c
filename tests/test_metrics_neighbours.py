"""Nearest training examples and classes of samples, on the bundled digits."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory, Source, transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.metrics.coverage import nearest_neighbours
from counterfeit.metrics.coverage.class_coverage import CLASSES, classify, kl_divergence
from counterfeit.metrics.coverage.nearest_neighbours import NEAREST, copies, nearest_examples
from counterfeit.transforms import build
from planted import Alternating


class Replay(Model):
    """Samples given examples over and over."""

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__(Spec(tuple(x.shape[1:])))
        self.x = nn.Parameter(x)

    def updates(self, draw, clock):
        yield Update(self.x.mean())

    def sample(self, n, y=None):
        return self.x[torch.randint(len(self.x), (n,))]


class Unlabelled(Source):
    name, summary = "unlabelled", "points"

    def __init__(self) -> None:
        self.spec = Spec((2,), "real")

    def split(self, name):
        return InMemory(torch.zeros(10, 2))


@pytest.fixture(scope="module")
def digits():
    return Digits()


def first(source, split, n=None):
    return source.split(split).first(n)


def test_reading_in_pieces_equals_reading_at_once(digits, monkeypatch):
    x, train = first(digits, "test", 50).x, digits.split("train")
    whole = nearest_examples(x, train, 3)
    monkeypatch.setattr(nearest_neighbours, "CHUNK", 100)  # 1,297 examples: the last piece is short
    pieces = nearest_examples(x, train, 3)
    assert torch.equal(whole.indices, pieces.indices)
    assert torch.allclose(whole.distances, pieces.distances)


def test_search_among_some_positions(digits):
    found = nearest_examples(first(digits, "train", 5).x, digits.split("train"), among=torch.arange(600, 700))
    assert found.indices.min() >= 600
    assert found.indices.max() < 700
    odd = nearest_examples(first(digits, "train", 5).x, digits.split("train"), among=torch.arange(1, 700, 2))
    assert bool((odd.indices % 2 == 1).all())
    assert torch.equal(odd.distances[1::2], torch.zeros(2, 1))


def test_too_many_neighbours_are_an_error(digits):
    with pytest.raises(ValueError, match="between 1 and 2"):
        nearest_examples(first(digits, "train", 5).x, digits.split("train"), k=3, among=torch.arange(2))


def test_training_examples_are_copies_and_held_out_ones_are_not(digits):
    memorized = NEAREST.compute(Replay(first(digits, "train").x), digits, Evaluation(samples=200))
    held_out = NEAREST.compute(Replay(first(digits, "test").x), digits, Evaluation(samples=200))
    assert (memorized.value, memorized.details["copies"]) == (0.0, 200)
    assert held_out.details["copies"] == 0
    reference = held_out.references["held-out"]
    assert held_out.value == pytest.approx(reference.value, abs=4 * (held_out.error + reference.error))


def test_halves_of_the_digits_lie_as_far_apart_as_known(digits):
    result = NEAREST.compute(Replay(first(digits, "train").x), digits, Evaluation(samples=1_000))
    assert result.references["halves"].value == pytest.approx(1.17, abs=0.02)


class Sorted(Source):
    """The bundled digits by their number of dark pixels; the test split too."""

    name, summary, spec = "sorted", "digits, the light ones first", Spec((1, 8, 8), classes=10)

    def split(self, name):
        x, y = Digits().split(name).first()
        order = x.flatten(1).sum(1).argsort()
        return InMemory(x[order], y[order])


def test_references_do_not_depend_on_the_order_of_the_data(digits):
    plain, ordered = (
        NEAREST.compute(Replay(first(digits, "test").x), source, Evaluation(samples=100)).references
        for source in (digits, Sorted())
    )
    for name in ("halves", "held-out"):
        error = (plain[name].error ** 2 + ordered[name].error ** 2) ** 0.5
        assert ordered[name].value == pytest.approx(plain[name].value, abs=3 * error), name
        assert ordered[name].n == 100


def test_references_do_not_depend_on_what_alternates():
    """Training data and held-out data have one law: half as many lie 2 ** (1 / d) as far."""
    source = Alternating()
    found = NEAREST.compute(Replay(first(source, "test").x), source, Evaluation(samples=200)).references
    halves, held_out = (found[name].value for name in ("halves", "held-out"))
    assert halves == pytest.approx(2 ** (1 / 4) * held_out, rel=0.15)  # light from dark: five times as far


def test_evenly_spaced_examples_are_of_all_that_alternate():
    for n in (6, 50, 100, 150, 299, 300, 599, 600):  # of 600: even steps, odd ones, and fractions
        light = evenly_spaced(Alternating(), "train", n).x.mean((1, 2, 3)) > 0.5
        assert float(light.double().mean()) == pytest.approx(0.5, abs=0.01), n


def test_a_copy_is_within_half_a_gray_level():
    distances = torch.tensor([0.0, 0.49, 0.51]) / 255 * 8
    assert copies(distances, 64) == 2


def test_validation_leaves_the_reference_distances_out(digits):
    result = NEAREST.compute(Replay(first(digits, "train").x), digits, Evaluation(samples=20, split="valid"))
    assert not result.references


def test_classifier_agrees_with_a_reference(digits):
    train, test = first(digits, "train"), first(digits, "test")
    reference = KNeighborsClassifier(5, algorithm="brute").fit(train.x.flatten(1).numpy(), train.y.numpy())
    assert classify(test.x, digits)[0].tolist() == reference.predict(test.x.flatten(1).numpy()).tolist()


def test_classes_are_counted(digits):
    x, y = first(digits, "test")
    result = CLASSES.compute(Replay(x[y < 3]), digits, Evaluation(samples=300))
    histogram = result.details["histogram"]
    assert result.value == 3
    assert sum(histogram[:3]) == result.n == 300
    assert result.details["accuracy"] > 0.95
    assert result.details["kl"] > 1.0


def test_real_digits_have_all_classes_in_proportion(digits):
    result = CLASSES.compute(Replay(first(digits, "test").x), digits, Evaluation(samples=1_000))
    assert result.value == 10
    assert result.details["kl"] < 0.02


def test_kl_divergence_of_histograms():
    p, q = torch.tensor([30, 10]), torch.tensor([1, 1])
    assert kl_divergence(p, q) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert kl_divergence(q, 7 * q) == 0
    assert kl_divergence(torch.tensor([1, 1]), torch.tensor([1, 0])) == float("inf")


@pytest.mark.parametrize("metric", [NEAREST, CLASSES], ids=lambda metric: metric.name)
def test_random_transforms_repeat_and_leave_the_random_state(metric, digits):
    binary, before = transformed(digits, build(["binarize"])), torch.get_rng_state()
    model = Replay(first(digits, "test").x.round())
    results = [metric.compute(model, binary, Evaluation(samples=20)) for _ in range(2)]
    assert results[0] == results[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_data_without_labels_are_an_error():
    with pytest.raises(ValueError, match="unlabelled has no labels"):
        CLASSES.compute(Replay(torch.zeros(4, 2)), Unlabelled(), Evaluation(samples=10))
