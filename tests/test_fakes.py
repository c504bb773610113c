"""What no number may take for success: noise, the mean, one picture repeated or one a class, blurred data, a cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch.nn.functional import avg_pool2d

from counterfeit import catalogue
from counterfeit.config.settings import Config, Evaluation, Train
from counterfeit.core import Clock, Draw, Model, Samples, Update
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory, Source
from counterfeit.data.sources.captioned_shapes import CaptionedShapes
from counterfeit.engine.doctor.history import Chart
from counterfeit.engine.doctor.rules import diagnose
from counterfeit.engine.doctor.sample_statistics import look_at_model, reference
from counterfeit.evaluation.measure import BEATS, applicable, metric_of
from counterfeit.evaluation.subject import FixedSamples, Subject
from counterfeit.metrics.base import Result
from counterfeit.metrics.features import train_classifier as engine
from counterfeit.metrics.tasks import caption_attributes
from counterfeit.metrics.tasks.caption_attributes import ATTRIBUTES
from counterfeit.metrics.tasks.translation import DOMAIN_ACCURACY, TRANSLATION
from counterfeit.report.comparison.compare import compare, notes
from counterfeit.report.run_page.facts import compared
from planted import painted

N = 400
CPU = torch.device("cpu")
MNIST = pytest.mark.skipif(not os.environ.get("COUNTERFEIT_DATA"), reason="COUNTERFEIT_DATA is not set: no MNIST here")


def blurred(x: torch.Tensor) -> torch.Tensor:
    """Each pixel the mean of those around it."""
    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


source_of = cache(catalogue.source)
trained_on = cache(lambda recipe: catalogue.source(catalogue.configure(catalogue.recipe(recipe)).data))


def held_out(name: str) -> torch.Tensor:
    """Examples that were not trained on, (N, *shape)."""
    return torch.cat([evenly_spaced(source_of(name), split, N // 2).x for split in ("valid", "test")])


def of_each(source: str | Source, y: torch.Tensor) -> torch.Tensor:
    """The first training picture of each class that `y`, (N,), names, (N, *shape)."""
    x, labels = (source_of(source) if isinstance(source, str) else source).split("train").first(2_000)
    return x[torch.stack([(labels == label).nonzero()[0, 0] for label in range(int(y.max()) + 1)])[y]]


@cache
def fakes(name: str) -> Mapping[str, torch.Tensor]:
    """Fake -> (N, *shape), in the place of samples."""
    x, g = evenly_spaced(source_of(name), "train", N).x, torch.Generator().manual_seed(0)
    low, high = x.amin(0), x.amax(0)
    found = {
        "the mean": x.mean(0, keepdim=True).expand(N, *x.shape[1:]),
        "one repeated": x[:1].expand(N, *x.shape[1:]),
        "noise": low + (high - low) * torch.rand(x.shape, generator=g),
    }
    if x.ndim == 4:
        made = {"noise": torch.rand(x.shape, generator=g), "blurred data": blurred(held_out(name))}
        return found | made | {"one a class": of_each(name, torch.arange(N) % source_of(name).spec.classes)}
    return found | {"a cloud": x.mean(0) + x.std(0) * torch.randn(x.shape, generator=g)}


def subject(name: str, x: torch.Tensor) -> Subject:
    source = source_of(name)
    return Subject("fake", FixedSamples(source.spec, InMemory(x.contiguous()), "fake"), source)


DIGITS = ("the mean", "one repeated", "noise", "blurred data", "one a class")
GRID = ("the mean", "one repeated", "noise", "a cloud")
CASES = [*(("digits", fake) for fake in DIGITS), *(("grid", fake) for fake in GRID)]


@pytest.mark.parametrize(("name", "fake"), CASES)
def test_none_is_better_than_real_data_unsaid(name: str, fake: str) -> None:
    mine, real = (subject(name, x) for x in (fakes(name)[fake], held_out(name)))
    names = [m for m in applicable(mine) if metric_of(m).better]
    assert {"fid", "kid", "precision", "coverage", "density", "parzen"} <= {*names}
    how = {"features": "pixels" if name == "digits" else "auto", "max_examples": N, "resamples": 4}
    kept = [m for m in names if m not in {"classifier-score"} or name == "grid"]  # one of its own, below
    found, theirs = mine.evaluate(*kept, **how), real.evaluate(*kept, **how)
    for row, result in found.items():
        sign = 1 if metric_of(row).better == "higher" else -1
        rows = result.references
        best = rows["real"].value if "real" in rows else theirs[row].value
        ahead = sign * (result.value - best) > 3 * (result.error or 0.0) + 1e-9
        assert not ahead or BEATS in result.warning, (row, result.value, best)


@pytest.mark.parametrize("fake", DIGITS)
def test_none_has_the_classes_of_real_data(fake: str) -> None:
    found = subject("digits", fakes("digits")[fake]).evaluate("class-coverage")["class-coverage"]
    assert found.value < 10 or fake in {"blurred data", "one a class"}  # of which other numbers tell
    if fake == "noise":
        assert (found.value, found.details["too_far"], found.details["kl"]) == (0, N, None)


def test_a_comparison_that_calls_a_fake_best_says_what_it_is() -> None:
    pair = {name: subject("digits", fakes("digits")[name]) for name in ("one repeated", "blurred data")}
    said = notes(compare(pair, ["precision", "fid"], {"features": "pixels", "resamples": 4}))
    assert any(text.startswith("one repeated: precision: ") and BEATS in text for text in said)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Classifiers by few steps, each trained once."""
    configure = catalogue.configure

    def quick(*given: object) -> Config:
        config = configure(*given)
        return replace(config, train=replace(config.train, steps=100))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.catalogue, "configure", quick)
        patch.setenv("COUNTERFEIT_CACHE", str(tmp_path_factory.mktemp("judges")))
        yield


def goals_on(*data: str) -> Iterator[tuple[str, str]]:
    """Recipes with goals for samples of these data, and their fakes."""
    for name, recipe in catalogue.recipes().items():
        config = catalogue.configure(recipe)
        asked = [metric_of(goal["metric"]) for goal in recipe.targets if "metric" in goal]
        if config.data.name in data and asked and all(metric and metric.needs is Samples for metric in asked):
            yield from ((name, fake) for fake in (GRID if config.data.name == "grid" else DIGITS))


def verdicts(recipe: str, x: torch.Tensor) -> list[bool | None]:
    """Whether samples reach each of the recipe's goals."""
    config, goals = catalogue.configure(catalogue.recipe(recipe)), catalogue.recipe(recipe).targets
    names = [goal["metric"] for goal in goals]
    found = subject(config.data.name, x).evaluate(*names, features=config.evaluate.features, resamples=2)
    return [compared(goal, found).reached for goal in goals]


@pytest.mark.parametrize(("recipe", "fake"), [*goals_on("digits", "grid")])
def test_none_reaches_a_goal(recipe: str, fake: str) -> None:
    data = catalogue.configure(catalogue.recipe(recipe)).data.name
    found = verdicts(recipe, fakes(data)[fake])
    assert found
    assert not any(found), found


def test_new_data_reach_the_goals_that_fakes_do_not() -> None:
    assert verdicts("gan", evenly_spaced(source_of("digits"), "valid").x) == [True, True]
    assert verdicts("gan-grid", evenly_spaced(source_of("grid"), "valid", 1_000).x) == [True]


@pytest.mark.usefixtures("judge")
@pytest.mark.parametrize(("fake", "reaches"), [*((fake, False) for fake in DIGITS), ("new data", True)])
def test_only_new_data_reach_the_distance_that_a_classifier_of_digits_sees(fake: str, reaches: bool) -> None:
    (goal,) = catalogue.recipe("dcgan").targets
    x = evenly_spaced(source_of("digits"), "valid").x if fake == "new data" else fakes("digits")[fake]
    entry = subject("digits", x).evaluate("fid", features="classifier", resamples=2)["fid"]
    assert compared(goal, {"fid": entry}).reached == reaches


@MNIST
@pytest.mark.parametrize("fake", DIGITS)
def test_none_reaches_a_likelihood_on_mnist(fake: str) -> None:
    entry = subject("mnist", fakes("mnist")[fake]).evaluate("parzen", max_examples=300)["parzen"]
    goals = [goal for name, _ in goals_on("mnist") for goal in catalogue.recipe(name).targets]
    goals = [goal for goal in goals if goal["metric"] == "parzen"]
    assert len(goals) >= 2
    assert not any(compared(goal, {"parzen": entry}).reached for goal in goals)


class Fake(Model):
    """Trains nothing."""

    def __init__(self, source: Source, fake: str) -> None:
        super().__init__(source.spec)
        self.domains = source.spec.classes
        self.fake, self.source, self.weight = fake, source, torch.nn.Parameter(torch.zeros(()))
        x, labels = evenly_spaced(source, "train", 2_000)
        self.mean = x.mean(0)
        self.means = [x[labels == label].mean(0) for label in range(source.spec.classes)] if source.spec.classes else []

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        return iter(())


class Translator(Fake):
    """Puts a fake in the place of every translation."""

    def translate(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        made = {
            "the mean": lambda: self.mean.expand_as(x), "one repeated": lambda: x[:1].expand_as(x),
            "noise": lambda: torch.rand_like(x), "blurred data": lambda: blurred(x),
            "one a class": lambda: of_each(self.source, y), "a mean a class": lambda: torch.stack(self.means)[y],
        }  # fmt: skip
        return made[self.fake]()


class Painter(Fake):
    """Puts a fake in the place of every picture that a caption asks for."""

    def sample(self, n: int, y: torch.Tensor) -> torch.Tensor:
        asked = self.source.asked(y).clamp(min=0)
        x, kinds = self.source.split("train").first(2_000).x, self.source.truth("train")[:2_000, 0]
        made = {
            "the mean": lambda: self.mean.expand_as(x[:n]), "one repeated": lambda: x[:1].expand_as(x[:n]),
            "noise": lambda: torch.rand_like(x[:n]), "blurred data": lambda: blurred(x[:n]),
            "one a class": lambda: torch.stack([x[kinds == kind][0] for kind in asked[:, 0].tolist()]),
            "what is asked": lambda: self.source._paint("test", kinds[:n], asked, torch.zeros(n, 2)).float() / 255,
        }  # fmt: skip
        return made[self.fake]()


@MNIST
@pytest.mark.parametrize("recipe", ["cyclegan", "stargan"])
@pytest.mark.parametrize("fake", [*DIGITS, "a mean a class"])
def test_no_translation_reaches_a_goal(recipe: str, fake: str) -> None:
    chosen = catalogue.recipe(recipe)
    source = trained_on(recipe)
    found = TRANSLATION.compute(Translator(source, fake), source, Evaluation(max_examples=100))
    entries = {row: result for row, result in found.items() if isinstance(result, Result)}
    goals = [goal for goal in chosen.targets if goal["metric"] in entries]
    assert goals
    assert not any(compared(goal, entries).reached for goal in goals)


class Truth(Fake):
    """Translates as the truth does, which sees by the colors what domain a picture is of."""

    def translate(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        off = []
        for label, domain in enumerate(self.source.domains):
            paper, y_own = x.new_tensor(domain.look.paper[: x.shape[1]]), torch.full_like(y, label)
            rest = (x - self.source.truth(x, y_own, y_own)).abs().flatten(1).mean(1)
            off.append((x[:, :, 0, 0] - paper).abs().mean(1) + rest)
        return self.source.truth(x, torch.stack(off).argmin(0), y)


@pytest.mark.usefixtures("judge")
@pytest.mark.parametrize("recipe", ["cyclegan", "stargan"])
@pytest.mark.parametrize(
    ("fake", "reaches"), [*((fake, False) for fake in (*DIGITS, "a mean a class")), ("truth", True)]
)
def test_only_the_truth_reaches_the_domains_asked_for(recipe: str, fake: str, reaches: bool) -> None:
    settings = catalogue.configure(catalogue.recipe(recipe)).data
    source = catalogue.source(replace(settings, options={**settings.options, "digits": "digits"}))
    model = Truth(source, fake) if reaches else Translator(source, fake)
    entry = DOMAIN_ACCURACY.compute(model, source, Evaluation(max_examples=200))
    (goal,) = [goal for goal in catalogue.recipe(recipe).targets if goal["metric"] == "domain-accuracy"]
    assert compared(goal, {"domain-accuracy": entry}).reached == reaches
    if "a class" in fake:
        assert entry.value > goal["value"]
        assert entry.details["told_apart"] == pytest.approx(0.5, abs=0.03)
        assert "too little of what was translated" in entry.warning


@pytest.mark.parametrize(("fake", "reaches"), [*((fake, False) for fake in DIGITS), ("what is asked", True)])
def test_only_what_is_asked_reaches_the_attributes(monkeypatch: pytest.MonkeyPatch, fake: str, reaches: bool) -> None:
    source = CaptionedShapes(16)
    monkeypatch.setattr(caption_attributes, "classifier", lambda named, device: painted(source))
    found = ATTRIBUTES.compute(Painter(source, fake), source, Evaluation(samples=300))
    goals = catalogue.recipe("text2image").targets
    assert len(goals) == 2
    assert {compared(goal, found).reached for goal in goals} == {reaches}


NAMED = {
    "the mean": {"mode-collapse"}, "one repeated": {"mode-collapse"}, "noise": {"off-data"}, "a cloud": {"off-data"},
    "blurred data": {"blur"}, "one a class": {"mode-collapse", "memorization"},
}  # fmt: skip


def found_in(name: str, x: torch.Tensor) -> set[str]:
    """Kinds that the doctor names where training ends with such samples."""
    source = source_of(name)
    model = FixedSamples(source.spec, InMemory(x.contiguous()), "fake")
    measured = look_at_model(model, reference(source, CPU, 0), 0)
    row = {"step": 1_000, **{f"doctor/{key}": value for key, value in measured.items()}}
    return {finding.kind for finding in diagnose(Chart([row], Train(steps=1_000), model, complete=True))}


@pytest.mark.parametrize(("name", "fake"), [*CASES, *(pytest.param("mnist", fake, marks=MNIST) for fake in DIGITS[2:])])
def test_the_doctor_names_each(name: str, fake: str) -> None:
    assert found_in(name, fakes(name)[fake]) >= NAMED[fake]


@pytest.mark.parametrize("name", ["digits", "grid", "ring", "two-moons", pytest.param("mnist", marks=MNIST)])
def test_the_doctor_names_nothing_in_held_out_data(name: str) -> None:
    assert found_in(name, held_out(name)) == set()
