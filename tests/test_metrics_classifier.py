"""The classifier of a data set: trained once by the engine, always the same, kept with its facts."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.config.settings import Config, Evaluation
from counterfeit.core import Model, Spec
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.digits import Digits
from counterfeit.engine import checkpoint
from counterfeit.engine.fit import Interrupted
from counterfeit.metrics.coverage.ms_ssim import MS_SSIM
from counterfeit.metrics.features import classifier as module
from counterfeit.metrics.features import train_classifier as engine
from counterfeit.metrics.features.classifier import classifier, keep, read_classifier
from counterfeit.metrics.features.extractors import rounded
from counterfeit.metrics.features.inception_score import CLASSIFIER_SCORE, RECOGNIZED
from counterfeit.metrics.features.train_classifier import train_classifier
from counterfeit.metrics.representation.classification import ACCURACY
from counterfeit.metrics.tasks.label_accuracy import LABEL_ACCURACY
from counterfeit.models.classifying.lenet import LeNet


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """The recipe, with fewer steps."""
    configure = catalogue.configure

    def quick(*given: object) -> Config:
        config = configure(*given)
        return replace(config, train=replace(config.train, steps=60))

    monkeypatch.setattr(engine.catalogue, "configure", quick)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture
def kept(cache, monkeypatch, short):
    """A cache with the classifier of the digits."""
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(cache))
    classifier(Digits())
    return cache / "classifiers"


class Faces(Source):
    """Pictures of any shape, with labels where there are classes."""

    name, summary = "faces", "pictures"

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        self.spec = Spec(shape, classes=classes)
        x = torch.rand(40, *shape, generator=torch.Generator().manual_seed(0))
        self.examples = InMemory(x, torch.arange(40) % classes if classes else None)

    def split(self, name):
        return self.examples


def test_it_is_trained_once_and_says_so(kept, monkeypatch, capsys):
    (path,) = kept.iterdir()
    assert path.name.startswith(f"digits-{Digits().fingerprint}")
    monkeypatch.setattr(module, "train_classifier", lambda source: pytest.fail("trained again"))
    by = classifier(Digits())
    assert by(torch.rand(3, 1, 8, 8)).shape == (3, 64)
    assert f"trained on digits {Digits().fingerprint}" in by.protocol
    assert f"weights {by.weights}" in by.protocol


def test_training_says_so_and_leaves_everything_as_it_was(capsys):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.no_grad():  # as where a metric validates
        train_classifier(Digits())
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    said = capsys.readouterr().err
    takes = r"it is trained now, in about \d+ (seconds|minutes), and kept for later evaluations"
    assert re.match(rf"a metric compares by a classifier of digits: {takes}; .* --no-evaluate` leaves", said)


def test_training_is_deterministic(kept):
    again = train_classifier(Digits(), show=False)
    weights = load_file(next(kept.iterdir()))
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items() if name != "scale")


def test_it_tells_digits_apart(kept):
    model, facts = read_classifier(next(kept.iterdir()))
    found = ACCURACY.compute(model, Digits(), Evaluation())
    assert found.value == float(facts["accuracy"]) > 0.8
    assert found.error == pytest.approx((found.value * (1 - found.value) / found.n) ** 0.5)


def test_features_have_mean_square_one_and_still_classify(kept):
    by, x = classifier(Digits()), Digits().split("train").first().x
    assert float(by(x).square().mean()) == pytest.approx(1, rel=1e-3)
    model, _ = read_classifier(next(kept.iterdir()))
    assert torch.allclose(by.log_probs(by(x[:9])), model.classify(rounded(x[:9])).double(), atol=1e-5)


def test_weights_of_other_data_may_be_given(kept):
    (path,) = kept.iterdir()
    plain = Faces((1, 8, 8), classes=0)
    assert classifier(plain, str(path)).weights == classifier(Digits()).weights
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\); faces has \(1, 9, 9\)"):
        classifier(Faces((1, 9, 9), 0), str(path))


@pytest.mark.parametrize("how", ["weights", "accuracy", "bytes", "missing"])
def test_a_changed_file_is_refused(kept, tmp_path, how):
    path, tensors = tmp_path / "changed.safetensors", load_file(next(kept.iterdir()))
    _, facts = read_classifier(next(kept.iterdir()))
    if how == "weights":
        tensors["head.bias"] = tensors["head.bias"] + 1
    if how == "accuracy":
        facts = {key: value for key, value in facts.items() if key != "accuracy"}
    if how != "missing":
        save_file(tensors, path, dict(facts))
    if how == "bytes":
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"changed\.safetensors (is no classifier|holds weights)"):
        classifier(Digits(), str(path))


def test_one_of_other_data_in_its_place_is_refused(kept, monkeypatch):
    (path,) = kept.iterdir()
    monkeypatch.setattr(Digits, "fingerprint", "0" * 16)
    path.with_name(f"digits-{'0' * 16}-{module.VERSION}.safetensors").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=r"was trained on digits .* is expected\. Remove it"):
        classifier(Digits())
    path.with_name(f"digits-{'0' * 16}-{module.VERSION}.safetensors").unlink()


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 28, 28), (3, 32, 32), (1, 64, 48)])
def test_pictures_of_any_size_are_classified(shape, tmp_path):
    source = Faces(shape, classes=3)
    keep(LeNet(source.spec, channels=2, features=5), source, tmp_path / "any.safetensors")
    by = classifier(source, str(tmp_path / "any.safetensors"))
    features = by(source.examples.first().x)
    assert features.shape == (40, 5)
    assert torch.allclose(by.log_probs(features).exp().sum(1), torch.ones(40, dtype=torch.float64))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (Spec((784,), classes=10), "LeNet expects images"),
        (Spec((1, 8, 8), "real", 10), "LeNet expects images"),
        (Spec((1, 8, 8)), "LeNet expects 2 or more"),
    ],
)
def test_other_data_are_an_error(spec, said):
    with pytest.raises(ValueError, match=said):
        LeNet(spec)


def test_scores_by_the_classifier_name_it(kept):
    class Replay(LeNet):
        def sample(self, n, y=None):
            return Digits().split("train").first(n).x

    model, settings = Replay(Digits().spec), Evaluation(samples=200)
    by_classifier = (CLASSIFIER_SCORE, MS_SSIM, RECOGNIZED)
    score, alike, sure = (metric.compute(model, Digits(), settings) for metric in by_classifier)
    assert 1 < score.value < score.details["at most"] == 10
    assert score.protocol.startswith("classifier score, 10 splits, shuffled; LeNet")
    assert alike.value == pytest.approx(alike.references["real"].value, abs=0.1)
    assert len(alike.details["classes"]) == 10
    assert sure.value == pytest.approx(sure.references["real"].value, abs=0.05)  # these are training data, too
    assert 0 < sure.value < 1
    assert "10 classes by LeNet" in alike.protocol


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_validation_trains_it_saves_the_run(tmp_path, monkeypatch, number, status):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path / "cache"))
    learn = LeNet.updates

    def interrupted(model, draw, clock):
        if clock.step == 2:
            signal.raise_signal(number)
        return learn(model, draw, clock)

    monkeypatch.setattr(LeNet, "updates", interrupted)
    small = {"model": {"hidden": [8], "discriminator_hidden": [8], "noise_dim": 2}}
    train = {"steps": 8, "batch_size": 8, "save_every": 4, "tensorboard": False, "monitor": "fid"}
    settings = {**small, "train": train, "evaluate": {"features": "classifier"}}
    with pytest.raises(Interrupted, match=r"at step 4; the checkpoint is saved") as stop:
        cf.train("gan", out=tmp_path / "run", settings=settings, show=False)
    assert (stop.value.status, stop.value.run) == (status, tmp_path / "run")
    assert [path.name for path in checkpoint.checkpoints(tmp_path / "run")] == ["step-00000004"]
    assert not [*(tmp_path / "cache").rglob("*.safetensors")]
    monkeypatch.setattr(LeNet, "updates", learn)
    assert "valid/fid" in cf.resume(tmp_path / "run", show=False).events[-1]


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 200])
def test_a_damaged_one_in_the_cache_is_trained_again(kept, monkeypatch, content):
    (path,) = kept.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-50] if content is None else content)
    with pytest.warns(UserWarning, match=r"safetensors is damaged; the classifier is trained again"):
        classifier(Digits())
    assert load_file(path).keys() == {*LeNet(Digits().spec).state_dict()}
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("fact", "said"),
    [("features", "999999999"), ("channels", "99999999999999"), ("shape", "1 8 x"), ("classes", "1" + "0" * 30),
     ("shape", "1 999999999 999999999")],
)  # fmt: skip
def test_a_header_of_a_huge_net_takes_no_memory(kept, tmp_path, fact, said):
    path = tmp_path / "huge.safetensors"
    _, facts = read_classifier(next(kept.iterdir()))
    save_file(load_file(next(kept.iterdir())), path, {**facts, fact: said})
    with pytest.raises(ValueError, match=r"holds weights of another net than its header says") as error:
        classifier(Digits(), str(path))
    assert "\n" not in str(error.value)


class Copies(Model):
    """Gives held-out digits of the labels asked for; of the next label where it is `wrong`."""

    conditional = True

    def __init__(self, wrong: bool = False) -> None:
        super().__init__(Digits().spec)
        self.weight, self.wrong = torch.nn.Parameter(torch.zeros(1)), wrong
        self.x, self.y = Digits().split("test").first()

    def updates(self, draw, clock):
        yield from ()

    def sample(self, n, y=None):
        labels = (torch.randint(10, (n,)) if y is None else y) + self.wrong
        return torch.stack([self.x[self.y == int(label) % 10][i % 5] for i, label in enumerate(labels)])


def test_samples_of_the_labels_asked_for_are_recognized_as_well_as_data(kept):
    found = LABEL_ACCURACY.compute(Copies(), Digits(), Evaluation(samples=100))
    assert found.value > 0.8
    assert abs(found.value - found.references["real"].value) < 0.15
    assert sum(found.details["by label"]) / 10 == pytest.approx(found.value, abs=1e-3)
    assert LABEL_ACCURACY.compute(Copies(wrong=True), Digits(), Evaluation(samples=100)).value < 0.1


def test_models_without_labels_are_not_asked_for_them():
    model = catalogue.model_class("gan")(Digits().spec)
    assert not LABEL_ACCURACY.suits(model)
    assert LABEL_ACCURACY.suits(Copies())


def test_labels_that_were_not_asked_for_have_no_share(kept):
    found = LABEL_ACCURACY.compute(Copies(), Digits(), Evaluation(samples=4, max_examples=20))
    assert len(found.details["by label"]) == 4
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_cache_that_cannot_be_written_costs_the_classifier_and_no_more(tmp_path, monkeypatch, short, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path / "file"))
    by = classifier(Digits())
    assert by(torch.rand(3, 1, 8, 8)).shape == (3, 64)
    assert "nothing can be kept in the cache" in capsys.readouterr().err
