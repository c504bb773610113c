"""Feature extractors: what they do to pictures, what they say of themselves, and the statistics kept of real data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from counterfeit.config.settings import Evaluation
from counterfeit.core import Model, Spec, Update
from counterfeit.data.downloads import keep_arrays, load_arrays
from counterfeit.data.source import InMemory, Source, transformed
from counterfeit.data.sources.digits import Digits
from counterfeit.metrics.coverage.ms_ssim import MS_SSIM
from counterfeit.metrics.features.extractors import convolutions, from_module, pixels, rounded, weights_hash
from counterfeit.metrics.features.frechet import FID, compute
from counterfeit.metrics.features.kid import KID
from counterfeit.metrics.features.prdc import PRDC, PRECISION
from counterfeit.metrics.features.reference import compare, extractor, header, moments, real
from counterfeit.metrics.shared import once, sharing
from counterfeit.transforms import build

QUICK = Evaluation(samples=120, max_examples=100, features="convolutions", resamples=2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))
    return tmp_path


class Replay(Model):
    """Samples are training examples, drawn anew; it counts how often it is asked."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.spec)
        self.x, self.asked = source.split("train").first().x, 0
        self.weight = nn.Parameter(torch.zeros(()))

    def updates(self, draw, clock):
        yield Update(self.weight * draw().x.mean())

    def sample(self, n, y=None):
        self.asked += 1
        return self.x[torch.randint(len(self.x), (n,))]


class Shades(Source):
    """Pictures of noise without labels."""

    name, summary = "shades", "pictures of noise"

    def __init__(self, channels: int = 1, seed: int = 0) -> None:
        self.spec = Spec((channels, 16, 16))
        x = torch.randint(0, 256, (300, *self.spec.shape), generator=torch.Generator().manual_seed(seed))
        self.parts = dict(zip(("train", "valid", "test"), map(InMemory, x.to(torch.uint8).split(100)), strict=True))

    def split(self, name):
        return self.parts[name]


def test_pictures_are_rounded_as_files_round_them():
    x = torch.tensor([-1.0, 0.1, 0.501, 1.7])
    assert (rounded(x) * 255).tolist() == pytest.approx([0, 26, 128, 255])


def test_features_of_real_values_are_the_values():
    x = torch.randn(5, 2)
    assert torch.equal(pixels(Spec((2,), "real"))(x), x)


def test_batches_do_not_change_features():
    by, x = convolutions(Spec((1, 16, 16))), torch.rand(7, 1, 16, 16)
    assert torch.allclose(replace(by, batch_size=2)(x), by(x))


def test_random_convolutions_are_the_same_everywhere_and_leave_the_random_state():
    before = torch.get_rng_state()
    by = convolutions(Spec((3, 32, 32)))
    assert torch.equal(before, torch.get_rng_state())
    assert by.weights == convolutions(Spec((3, 64, 64))).weights
    assert by(torch.rand(2, 3, 32, 32)).shape == (2, 128)


def test_any_module_gives_features_of_the_size_and_channels_it_takes():
    by = from_module(nn.Flatten(), size=8, channels=3)
    assert by(torch.rand(4, 1, 16, 16)).shape == (4, 3 * 8 * 8)
    assert "resized to 8x8, bilinear, antialiased" in by.protocol


def test_resizing_is_antialiased():
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 1, 64, 64)
    small = from_module(nn.Flatten(), size=16)(stripes)
    assert float(small.std()) < 0.02  # every other pixel: gray from afar, not black or white


def test_hash_follows_the_weights():
    net = nn.Linear(2, 2)
    before = weights_hash(net)
    assert weights_hash(net) == before
    with torch.no_grad():
        net.weight[0, 0] += 1
    assert weights_hash(net) != before


@pytest.mark.parametrize(
    ("data", "chosen", "expected"),
    [(Shades(), "auto", "convolutions"), (Shades(), "pixels", "pixels"), (Digits(), "convolutions", "convolutions")],
)
def test_settings_choose_the_features(data, chosen, expected):
    assert extractor(data, Evaluation(features=chosen)).name == expected


def test_pictures_without_labels_have_no_classifier():
    with pytest.raises(ValueError, match="shades has no labels; features `classifier` expects them"):
        extractor(Shades(), Evaluation(features="classifier"))


def test_features_that_do_not_classify_say_so():
    with pytest.raises(ValueError, match="features 'pixels' came; some that classify are expected"):
        pixels(Spec((2,), "real")).log_probs(torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"features": "vgg"}, "'vgg' came; one of auto"), ({"resamples": 1}, "1 came"), ({"resamples": -1}, "at least 0")],
)
def test_wrong_settings_are_errors(setting, said):
    with pytest.raises(ValueError, match=said):
        Evaluation(**setting)


def test_moments_are_those_of_numpy():
    x = torch.randn(5_000, 3) * 2 + 100
    mean, covariance = moments(x).mean, moments(x).covariance
    assert np.allclose(mean.numpy(), x.double().numpy().mean(0), rtol=1e-12)
    assert np.allclose(covariance.numpy(), np.cov(x.double().numpy(), rowvar=False), rtol=1e-10)


def test_reference_statistics_are_kept_and_found_again(cache, monkeypatch):
    source = Shades()
    first = real(source, "test", 0, pixels(source.spec))
    monkeypatch.setattr(Shades, "fingerprint", source.fingerprint)
    monkeypatch.setattr(Shades, "split", lambda self, name: self.parts["train"])  # not looked at again
    assert torch.equal(real(source, "test", 0, pixels(source.spec)).features, first.features)
    assert [path.suffix for path in (cache / "statistics").iterdir()] == [".npz"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extractor": "another"}, "statistics of extractor 'another'"),
        ({"weights": "beef"}, "statistics of weights 'beef'; 'none' is expected"),
        ({"resize": "resized to 8x8"}, "statistics of resize"),
        ({"data": "0123"}, "statistics of data '0123'"),
        ({"split": "train"}, "statistics of split 'train'; 'test' is expected"),
        ({"n": 7}, "statistics of n 7; 100 is expected"),
    ],
)
def test_statistics_of_anything_else_are_refused(cache, change, said):
    source, by = Shades(), pixels(Shades().spec)
    real(source, "test", 0, by)
    (path,) = (cache / "statistics").iterdir()
    arrays = dict(load_arrays(path))
    kept = json.loads(str(arrays["header"]))
    assert kept.keys() == {*header(source, "test", 100, by), "content"}
    keep_arrays(f"statistics/{path.name}", arrays | {"header": np.array(json.dumps(kept | change))})
    with pytest.raises(ValueError, match=said):
        real(source, "test", 0, by)


@pytest.mark.parametrize("how", ["changed", "cut", "bare"])
def test_tampered_statistics_are_refused(cache, how):
    source, by = Shades(), pixels(Shades().spec)
    real(source, "test", 0, by)
    (path,) = (cache / "statistics").iterdir()
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        arrays = dict(load_arrays(path))
        other = {"features": arrays["features"] * 2} if how == "changed" else {"header": np.array("{}")}
        keep_arrays(f"statistics/{path.name}", arrays | other)
    with pytest.raises(ValueError, match=r"\.npz holds .*Remove it\.$"):
        real(source, "test", 0, by)


def test_samples_and_features_are_computed_once_for_several_metrics():
    source = Shades()
    model = Replay(source)
    with sharing():
        alone = [metric.compute(model, source, QUICK) for metric in (FID, KID, PRECISION)]
        rows = PRDC.compute(model, source, QUICK)
    assert model.asked == 1
    assert rows["precision"] == alone[2]
    assert [*rows] == ["precision", "recall", "density", "coverage"]


def test_sharing_forgets_at_the_end():
    with sharing():
        assert [once("x", lambda: 1), once("x", lambda: 2)] == [1, 1]
    assert once("x", lambda: 2) == 2


@pytest.mark.parametrize("metric", [FID, KID, PRECISION], ids=lambda metric: metric.name)
def test_protocol_tells_everything_but_the_seed(metric):
    source = Shades()
    first, second = (metric.compute(Replay(source), source, replace(QUICK, seed=seed)) for seed in (0, 1))
    assert first.protocol == second.protocol
    assert first.value != second.value
    for part in ("random convolutions", "not resized", "120 samples", "test n=100", source.fingerprint):
        assert part in first.protocol
    assert first.error > 0
    assert json.loads(json.dumps(first.to_dict())) == first.to_dict()


def test_training_examples_stand_beside_the_test_split_alone():
    source = Shades()
    test, valid = (FID.compute(Replay(source), source, replace(QUICK, split=split)) for split in ("test", "valid"))
    assert test.references["real"].value >= 0
    assert not valid.references


def test_few_examples_warn():
    source = Shades()
    found = FID.compute(Replay(source), source, QUICK)
    assert found.warning == "100 examples for 128 features are few: the distance is biased upwards"


def test_other_data_are_farther_than_the_same():
    source = Shades()
    noise, black = Replay(source), Replay(source)
    black.x = black.x * 0
    for metric in (FID, KID):
        assert metric.compute(black, source, QUICK).value > 3 * metric.compute(noise, source, QUICK).value


def test_any_extractor_may_be_handed_over():
    source = Shades()
    by = from_module(nn.Sequential(nn.Flatten(), nn.Linear(256, 4)), "mine")
    found = compute(Replay(source), source, QUICK, by)
    assert found.details["dims"] == 4
    assert by.weights in found.protocol


def test_samples_behind_transforms_are_compared_as_pictures():
    source = transformed(Shades(), build(["dequantize", "logit", "flatten"]))
    model = Replay(source)
    found = compare(model, source, replace(QUICK, features="pixels"))
    assert 0 <= float(found.samples.min()) < float(found.samples.max()) <= 1
    assert "shades" in found.protocol


def test_points_are_compared_as_they_are():
    class Points(Shades):
        def __init__(self):
            super().__init__()
            self.spec = Spec((2,), "real")
            self.parts = {name: InMemory(part.x[:, 0, 0, :2].float()) for name, part in self.parts.items()}

    source = Points()
    found = FID.compute(Replay(source), source, Evaluation(samples=100))
    assert "values; as given" in found.protocol


def test_samples_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match="shades expects"):
        FID.compute(Replay(Digits()), Shades(), QUICK)


def test_a_split_without_pairs_is_no_reference():
    source = Shades()
    found = MS_SSIM.compute(Replay(source), source, replace(QUICK, max_examples=1))
    assert not found.references
    assert found.value < 1


def test_pictures_without_labels_are_one_class():
    source = Shades()
    found = MS_SSIM.compute(Replay(source), source, QUICK)
    said = "MS-SSIM, 1 of 5 scales, window 11; disjoint pairs within a class; one class; 120 samples; test n=100; "
    assert found.protocol == f"{said}pixels in [0, 1]; shades {source.fingerprint}"
    assert found.value == pytest.approx(found.references["real"].value, abs=0.1)


@pytest.mark.parametrize(
    ("one", "other"),
    [(nn.AvgPool2d(2), nn.AvgPool2d(4)), (nn.Conv2d(1, 4, 3, stride=1), nn.Conv2d(1, 4, 3, stride=2))],
)
def test_modules_of_equal_weights_that_compute_differently_have_other_protocols(one, other):
    other.load_state_dict(one.state_dict())
    assert from_module(one).protocol != from_module(other).protocol


def test_what_is_shared_belongs_to_the_model_itself_and_not_to_its_place_in_memory():
    class Constant(Model):
        def __init__(self, value: float) -> None:
            super().__init__(Digits().spec)
            self.value = nn.Parameter(torch.tensor(value))

        def updates(self, draw, clock):
            yield Update(self.value)

        def sample(self, n, y=None):
            return self.value.detach().expand(n, 1, 8, 8) + 0.1 * torch.rand(n, 1, 8, 8)

    with sharing():
        means = [
            float(compare(Constant(i / 40), Digits(), Evaluation(samples=20, features="pixels")).samples.mean())
            for i in range(20)
        ]
    assert means == sorted(means)
    assert len(set(means)) == 20
