"""The linear probe against scikit-learn, and codes that know labels or do not."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from counterfeit import catalogue
from counterfeit.common.seeding import seeded
from counterfeit.config.nested import merge
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Encodes, HasFeatures, Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.metrics.representation import label_curve as curve_module
from counterfeit.metrics.representation import linear_probe as module
from counterfeit.metrics.representation.label_curve import LABEL_CURVE, few
from counterfeit.metrics.representation.linear_probe import PROBE, logistic, probe
from counterfeit.nets.conv import ConvPlayers
from counterfeit.report.figures.label_curve import curve as curve_figure
from counterfeit.run.run import train


def blobs(n, classes=3, dims=4, spread=1.5, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=g)
    centres = 2 * torch.randn(classes, dims, generator=torch.Generator().manual_seed(9))
    return Batch(centres[y] + spread * torch.randn(n, dims, generator=g), y)


class Rings(Source):
    """Two classes, one around the other: a line tells them apart only by their radius."""

    name, summary = "rings", "two rings"
    spec = Spec((2,), "real", classes=2)

    def split(self, name):
        with seeded(("train", "valid", "test").index(name)):
            y, angle = torch.randint(2, (800,)), 6.2832 * torch.rand(800)
            x = (1.0 + y)[:, None] * torch.stack([angle.cos(), angle.sin()], 1) + 0.35 * torch.randn(800, 2)
        return InMemory(x, y)


class Radius(Model):
    def __init__(self, shape=(1,)):
        super().__init__(Spec((2,), "real", classes=2))
        self.scale, self.shape = nn.Parameter(torch.ones(())), shape

    def updates(self, draw, clock):
        yield Update(self.scale * draw().x.mean())

    def encode(self, x):
        return self.scale * x.norm(dim=1).view(-1, *self.shape)


@pytest.mark.parametrize("penalty", [1.0, 0.1, 1e-3])
def test_logistic_regression_agrees_with_scikit_learn(penalty):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = blobs(400)
    reference = linear_model.LogisticRegression(C=1 / (penalty * 400), tol=1e-8, max_iter=5_000).fit(x.double(), y)
    found = logistic(x.double(), y, 3, penalty)
    ours = (x.double() @ found.weight + found.bias).softmax(1)
    assert torch.allclose(ours, torch.from_numpy(reference.predict_proba(x.double())), atol=2e-3)
    assert torch.allclose(found.weight.T, torch.from_numpy(reference.coef_), atol=5e-3)


def test_the_fit_is_a_minimum():
    x, y = blobs(300)
    found = logistic(x.double(), y, 3, 0.05)
    weight, bias = found.weight.clone().requires_grad_(), found.bias.clone().requires_grad_()
    loss = nn.functional.cross_entropy(x.double() @ weight + bias, y) + 0.025 * weight.square().sum()
    gradients = torch.autograd.grad(loss, (weight, bias))
    assert max(float(g.abs().max()) for g in gradients) < 1e-4


def test_single_precision_classifies_as_double_does():
    x, y = blobs(500)
    wide, narrow = logistic(x.double(), y, 3, 0.01), logistic(x, y, 3, 0.01)
    assert float((wide.classify(x.double()) == narrow.classify(x)).double().mean()) > 0.99


def test_validation_chooses_the_penalty():
    parts = [blobs(60, dims=50, spread=4.0, seed=seed) for seed in range(3)]
    chosen = probe(*parts, 3).penalty
    each = {p: float(probe(parts[0], parts[1], parts[1], 3, [p]).correct.double().mean()) for p in (1.0, 1e-2, 1e-4)}
    assert each[min(each, key=lambda p: abs(p - chosen))] >= max(each.values()) - 0.1


def test_features_of_any_scale_and_constant_ones_do():
    parts = [blobs(400, seed=seed) for seed in range(3)]
    scale, constant = torch.tensor([1e-3, 1.0, 1e3, 1.0]), torch.tensor([0.0, 0.0, 0.0, 1.0])
    odd = [Batch((part.x * scale) * (1 - constant) + 7 * constant, part.y) for part in parts]
    plain = [Batch(part.x[:, :3], part.y) for part in parts]
    ours, theirs = (float(probe(*p, 3).correct.double().mean()) for p in (odd, plain))
    assert ours == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1)])
def test_codes_that_know_the_radius_beat_pixels(shape):
    result = PROBE.compute(Radius(shape), Rings(), Evaluation())["linear-probe"]
    pixels = result.references["pixels"]
    assert result.value > 0.85
    assert pixels.value == pytest.approx(0.5, abs=0.08)
    assert result.n == pixels.n == 800
    assert result.error == pytest.approx((result.value * (1 - result.value) / 800) ** 0.5)
    assert result.low < result.value < result.high
    assert "codes of 800 training examples" in result.protocol
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()


def test_examples_are_taken_from_everywhere(monkeypatch):
    class Sorted(Rings):
        def split(self, name):
            x, y = super().split(name).first()
            return InMemory(x[y.argsort()], y.sort().values)

    monkeypatch.setattr(module, "FITTED", 200)  # of the first, all would be of one class
    monkeypatch.setattr(module, "CHOSEN", 100)
    result = PROBE.compute(Radius(), Sorted(), Evaluation(max_examples=300))["linear-probe"]
    assert result.value > 0.8
    taken = "codes of 200 training examples, penalty chosen on valid n=100, all evenly spaced; test n=300"
    assert taken in result.protocol


def test_the_nearest_code_has_the_class_that_scikit_learn_finds():
    from sklearn.neighbors import KNeighborsClassifier

    source, model = Rings(), Radius()
    result = PROBE.compute(model, source, Evaluation())["1nn-probe"]
    train, test = (source.split(name).first() for name in ("train", "test"))
    for value, see in (
        (result.value, lambda x: model.encode(x).detach().flatten(1)),
        (result.references["pixels"].value, lambda x: x.flatten(1)),
    ):
        near = KNeighborsClassifier(1).fit(see(train.x).numpy(), train.y.numpy())
        assert value == pytest.approx(near.score(see(test.x).numpy(), test.y.numpy()), abs=2e-3)  # ties of float32
    assert f"nearest of {len(train.x)} training codes" in result.protocol


def test_data_without_labels_are_an_error():
    class Bare(Rings):
        def split(self, name):
            return InMemory(super().split(name).x)

    with pytest.raises(ValueError, match="without labels"):
        PROBE.compute(Radius(), Bare(), Evaluation())


def test_the_metric_asks_for_codes_and_labels():
    assert PROBE.needs == Encodes | HasFeatures
    assert PROBE.labels


# How far few labels go ------------------------------------------------------------------------------------------------


class Digit(Source):
    """Pictures whose class is the row that is lit, with noise."""

    name, summary = "rows", "lit rows"
    spec = Spec((1, 8, 8), classes=4)

    def split(self, name):
        with seeded(("train", "valid", "test").index(name)):
            y = torch.randint(4, (400,))
            x = 0.5 * torch.rand(400, 1, 8, 8)
            x[torch.arange(400), 0, 2 * y] += 0.4
        return InMemory(x, y)


class Rows(Model):
    """Knows what matters of `Digit`, and says nothing else."""

    def __init__(self):
        super().__init__(Digit.spec)
        self.scale = nn.Parameter(torch.ones(()))

    def updates(self, draw, clock):
        return iter(())

    def features(self, x):
        return self.scale * x.mean((1, 3))[:, ::2]


def test_few_labels_are_as_many_of_each_class():
    y = torch.arange(100) % 4
    chosen = few(y, 20, 4)
    assert y[chosen].bincount().tolist() == [5] * 4
    assert len(set(chosen.tolist())) == 20
    assert torch.equal(few(y, 100, 4), torch.arange(100))


def test_the_curve_is_the_probe_of_each_number_of_labels(monkeypatch):
    monkeypatch.setattr(curve_module, "STEPS", {1_000: 20})
    source, model = Digit(), Rows()
    with seeded(0):
        found = LABEL_CURVE.compute(model, source, Evaluation())
    by_labels = found.details["by labels"]
    assert set(by_labels) == {"features", "pixels", "supervised net"}
    assert [*by_labels["features"]] == ["4", "8", "100", "400"]
    assert found.value == pytest.approx(by_labels["features"]["4"], abs=1e-4)
    assert found.references["pixels"].value == pytest.approx(by_labels["pixels"]["4"], abs=1e-4)
    train, valid, test = (source.split(name).first() for name in ("train", "valid", "test"))
    whole = probe(*(Batch(model.features(part.x).detach(), part.y) for part in (train, valid, test)), 4)
    assert by_labels["features"]["400"] == pytest.approx(float(whole.correct.double().mean()), abs=1e-4)
    assert by_labels["features"]["4"] > 0.9
    assert by_labels["features"]["4"] > by_labels["pixels"]["4"]


@pytest.mark.parametrize("name", ["gan", "dcgan", "sngan", "infogan", "lsgan", "wgan-gp"])
def test_a_discriminators_output_is_linear_in_its_features(name):
    recipe = catalogue.recipe(name)
    config = catalogue.configure(recipe, recipe.smoke)
    spec = Digits().spec
    model = catalogue.model_class(config.model)(spec, **config.arguments).eval()
    x = Digits().split("valid").first(60).x
    assert isinstance(model, HasFeatures)
    with torch.no_grad():
        features = model.features(x).flatten(1)
        outputs = model.discriminator_outputs(x)[:, :1].double()
    design = torch.cat([features, torch.ones(len(x), 1)], 1).double()
    rest = outputs - design @ torch.linalg.lstsq(design, outputs, driver="gelsd").solution
    assert float(rest.abs().max()) < 1e-4
    with pytest.raises(ValueError, match="features expects"):
        model.features(torch.zeros(2, 1, 5, 5))


@pytest.mark.parametrize("condition", ["concatenate", "projection"])
def test_a_discriminator_that_reads_labels_shows_features_of_none(condition):
    model = catalogue.model_class("cgan")(Digits().spec, condition, ConvPlayers(4, 4)).eval()
    with torch.no_grad():
        assert model.features(Digits().split("valid").first(3).x).shape[0] == 3


def test_a_run_of_adversarial_nets_is_probed_and_drawn(tmp_path):
    settings = merge(catalogue.recipe("gan").smoke, {"train": {"tensorboard": False}})
    run = train("gan", out=tmp_path / "run", settings=settings, show=False)
    assert {"linear-probe", "1nn-probe"} <= set(run.evaluate("linear-probe", max_examples=40))
    run.evaluate("label-curve", max_examples=40)
    assert curve_figure(run).picture.data.startswith(b"<?xml")
