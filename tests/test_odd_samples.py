"""What people evaluate when training failed: every metric gives its value, or is skipped with its reason."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.estimate import Estimate
from counterfeit.common.numbers import listed, measured
from counterfeit.config.settings import Evaluation
from counterfeit.core import Clock, Draw, Model, Samples, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.evaluation.measure import UnmeasuredError, applicable
from counterfeit.evaluation.subject import FixedSamples, Subject
from counterfeit.metrics import registry
from counterfeit.metrics.base import Metric, Result
from counterfeit.metrics.features.extractors import pixels
from counterfeit.metrics.features.reference import Compared, beside, real
from counterfeit.metrics.representation.classification import ACCURACY
from counterfeit.metrics.stats.proportions import share
from counterfeit.report.comparison.compare import best, compare, notes
from counterfeit.report.comparison.page import write
from counterfeit.report.run_page.facts import measurement
from counterfeit.report.run_page.page import page
from counterfeit.run.run import Run, train

DIGITS = catalogue.source("digits")
TRAIN = DIGITS.split("train").first(400)


def subject(x: torch.Tensor, source: Source = DIGITS) -> Subject:
    return Subject("odd", FixedSamples(source.spec, InMemory(x), "odd"), source)


def repeated(x: torch.Tensor, n: int = 60) -> torch.Tensor:
    return x.repeat(n // len(x), 1, 1, 1)


ODD = {
    "zeros": repeated(torch.zeros(1, 1, 8, 8)),
    "ones": repeated(torch.ones(1, 1, 8, 8)),
    "one picture": repeated(TRAIN.x[:1]),
    "the mean picture": repeated(TRAIN.x.mean(0, keepdim=True)),
    "two": repeated(TRAIN.x[:2]),
    "duplicates": repeated(TRAIN.x[:20]),
    "a class missing": TRAIN.x[TRAIN.y != 3][:60],
    "one": TRAIN.x[:1],
    "a pair": TRAIN.x[:2],
    "three": TRAIN.x[:3],
    "as many as neighbours": TRAIN.x[:5],
    "fewer than features": TRAIN.x[:12],
    "noise": torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
}


@pytest.mark.parametrize("name", ODD)
def test_every_metric_gives_its_value_or_its_reason(name: str) -> None:
    odd = subject(ODD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = odd.evaluate("all", resamples=4)
    assert {*found} | {*found.skipped} == {*applicable(odd)}
    assert {*found} >= {"class-coverage", "memorization", "nearest", "parzen"}
    for result in found.values():
        assert math.isfinite(result.value)
        assert result.error is None or math.isfinite(result.error)
        json.dumps(result.to_dict(), allow_nan=False)
    for why in found.skipped.values():
        assert "expected" in why
        assert "\n" not in why


def test_constant_samples_lie_as_far_as_the_data_vary() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])

    class Corners(Source):
        name, summary, spec = "corners", "two points", catalogue.source("grid").spec
        fingerprint = "corners"

        def split(self, name: str) -> InMemory:
            return InMemory(x.repeat(50, 1))

    found = subject(torch.zeros(60, 2), Corners()).evaluate("fid")["fid"]
    assert found.value == pytest.approx(2.5**2 + 25 / 4 * 100 / 99)  # the mean's square, and all the variance
    assert found.error > 0


def test_diverged_samples_are_refused_or_right() -> None:
    grid = catalogue.source("grid")
    x = grid.split("train").first(300).x
    outlying = torch.cat([x[:299], x[299:] + 1e12])
    clean, far = (subject(y, grid).evaluate("all", resamples=0, max_examples=400) for y in (x, outlying))
    assert far["parzen"].value == pytest.approx(clean["parzen"].value, abs=0.02)
    assert far["precision"].value == pytest.approx(clean["precision"].value, abs=0.01)
    assert far["coverage"].value == pytest.approx(clean["coverage"].value, abs=0.03)
    assert "a few samples far off" in far.skipped["kid"]  # an odd power of one of them may lie on either side of 0
    lost = subject(x * 1e25, grid).evaluate("all", resamples=0, max_examples=400)
    assert {*lost.skipped} == {"kid", "parzen"}  # the latter is minus infinity
    assert lost["nearest"].value == pytest.approx(1e25 * float(x.norm(dim=1).mean()), rel=1e-5)
    assert not lost["precision"].value


def test_values_that_are_no_numbers_never_score() -> None:
    nan = torch.full((60, 1, 8, 8), math.nan)
    with pytest.raises(UnmeasuredError, match="not finite") as refused:
        subject(nan).evaluate("all")
    assert {*refused.value.skipped} == {*applicable(subject(nan))}
    with pytest.raises(ValueError, match=r"nan came of a mean; a finite number is expected"):
        Result(math.nan, None, 1, "a mean; of nothing")
    assert Result(0.0, math.inf, 1, "a mean").error is None


def broken(*_: object) -> Result:
    raise RuntimeError("singular\nmatrix")


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of three metrics the one in the middle fails."""

    def right(model: Model, source: Source, evaluation: Evaluation) -> Result:
        return Result(1.0, None, 30, "always")

    metrics = [Metric(name, "", "", "higher", Samples, right) for name in ("first", "second", "third")]
    metrics[1] = Metric("second", "", "", "higher", Samples, broken)
    monkeypatch.setattr(registry, "metrics", lambda: {metric.name: metric for metric in metrics})
    return [metric.name for metric in metrics]


def test_metrics_stand_alone(half: list[str]) -> None:
    found = subject(TRAIN.x).evaluate(*half)
    assert list(found) == ["first", "third"]
    assert found.skipped == {"second": "singular matrix"}
    assert list(subject(TRAIN.x).evaluate("all")) == ["first", "third"]
    with pytest.raises(UnmeasuredError, match=r"^singular matrix$"):
        subject(TRAIN.x).evaluate("second")


def test_a_comparison_says_what_was_skipped(half: list[str], tmp_path: Path) -> None:
    found = compare({"a": subject(TRAIN.x), "b": subject(TRAIN.x)}, half)
    assert [line.metric for line in found.lines] == ["first", "third"]
    assert "a: singular matrix: second skipped." in notes(found)
    assert "a: singular matrix: second skipped." in write(found, tmp_path / "page.html").read_text()
    assert found.to_dict()["skipped"] == {"a": {"second": "singular matrix"}, "b": {"second": "singular matrix"}}


def test_reasons_are_kept_beside_numbers(half: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train("gan", steps=2, out=tmp_path / "run", settings={"evaluate.metrics": half}, show=False)
    assert main(["evaluate", str(run.path), "--metrics", "all"]) == 0
    shown = capsys.readouterr().out
    assert "second: skipped: singular matrix" in shown
    assert {*run.evaluation} == {"first", "third"}
    assert run.skipped == {"second": "singular matrix"}
    html = page(Run(run.path), [])
    assert "Skipped, since they could not be measured:" in html
    assert "singular matrix" in html
    assert main(["evaluate", str(run.path), "--metrics", "all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["second"] == {"skipped": "singular matrix"}


def test_a_number_is_never_lost_to_a_reason(half: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train("gan", steps=2, out=tmp_path / "run", settings={"evaluate.metrics": half}, show=False)
    with pytest.raises(UnmeasuredError):
        run.evaluate("second")
    assert run.skipped == {"second": "singular matrix"}
    failing, right = registry.metrics(), registry.metric("first").compute
    mended = {**failing, "second": Metric("second", "", "", "higher", Samples, right)}
    monkeypatch.setattr(registry, "metrics", lambda: mended)
    run.evaluate("second")
    assert run.skipped == {}
    monkeypatch.setattr(registry, "metrics", lambda: failing)
    with pytest.raises(UnmeasuredError):
        run.evaluate("second")
    assert run.evaluation["second"]["value"] == 1.0
    assert run.skipped == {}


def test_training_never_fails_by_its_evaluation(half: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["train", "gan", "--train.steps", "2", "--out", str(tmp_path / "run"), "--evaluate.metrics", '["second"]']
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["evaluation"] == {}
    assert found["skipped"] == {"second": "singular matrix"}
    assert (tmp_path / "run" / "report.html").is_file()


def test_what_cannot_be_validated_goes_on_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "metrics", lambda: {"fid": Metric("fid", "", "", "lower", Samples, refusing)})
    settings = {"train.monitor": "fid", "evaluate.metrics": ["fid"]}
    run = train("gan", steps=2, out=tmp_path / "run", settings=settings, show=False)
    assert run.state["step"] == 2
    assert run.state["score"] is None
    assert [event["unvalidated"] for event in run.events if "unvalidated" in event] == ["too few of them"]


def refusing(*_: object) -> Result:
    raise ValueError("too few of them")


def test_an_unknown_name_beside_all_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    np.save(tmp_path / "x.npy", TRAIN.x.numpy())
    assert main(["evaluate", str(tmp_path / "x.npy"), "--data", "digits", "--metrics", "all,fdi"]) == 2
    assert "metric 'fdi' is unknown" in capsys.readouterr().err


def test_several_subjects_stand_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, n in (("one", 1), ("many", 60)):
        np.save(tmp_path / f"{name}.npy", TRAIN.x[:n].numpy())
    words = [str(tmp_path / "one.npy"), str(tmp_path / "many.npy"), "--data", "digits", "--metrics", "kid", "--json"]
    assert main(["evaluate", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "N, M >= 2" in found["one.npy"]["kid"]["skipped"]
    assert found["many.npy"]["kid"]["n"] == 60


@pytest.mark.parametrize("x", [np.zeros((40, 8, 8), np.uint8), np.full((40, 8, 8), 1 + 1e-7), np.zeros((40, 8, 8))])
def test_black_pictures_and_a_rounded_maximum_are_pictures(x: np.ndarray, tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "x.npy", x)
    assert main(["evaluate", str(tmp_path / "x.npy"), "--data", "digits", "--metrics", "all", "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["fid"]["value"] > 0


class Sorted(Source):
    """A hundred black pictures, then as many white ones: zeros and ones."""

    name, summary, spec, fingerprint = "sorted", "black before white", Spec((1, 4, 4), "image", classes=2), "sorted"

    def split(self, name: str) -> InMemory:
        y = torch.arange(200) // 100
        return InMemory(y.float()[:, None, None, None].expand(-1, 1, 4, 4), y)


class Black(Model):
    """Takes all for black."""

    def __init__(self) -> None:
        super().__init__(Sorted.spec)
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def updates(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        return iter(())

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([1.0, 0.0]).expand(len(x), 2)


def test_a_limit_takes_examples_from_all_of_a_sorted_split() -> None:
    found = ACCURACY.compute(Black(), Sorted(), Evaluation(max_examples=50))
    assert found.value == 0.5
    assert "n=50 evenly spaced" in found.protocol
    assert "evenly" not in ACCURACY.compute(Black(), Sorted(), Evaluation(max_examples=500)).protocol
    by = pixels(Sorted.spec)
    assert float(real(Sorted(), "test", 50, by).features.mean()) == 0.5
    compared = Compared(torch.zeros(20, 16), real(Sorted(), "test", 0, by), Sorted(), by, "any")
    rows = beside("mean", compared, lambda x, y: Estimate(float(x.mean())))
    assert rows == {"real": Estimate(0.5, n=20)}


def test_fewer_training_examples_than_samples_stand_beside_as_many_samples() -> None:
    by = pixels(Sorted.spec)
    compared = Compared(torch.ones(1_000, 16), real(Sorted(), "test", 0, by), Sorted(), by, "any")
    rows = beside("count", compared, lambda x, y: Estimate(float(len(x))))
    assert rows == {"real": Estimate(200.0, n=200), "samples, as many": Estimate(200.0, n=200)}


def test_shares_have_intervals_wherever_they_are_shown() -> None:
    found = subject(TRAIN.x[:60]).evaluate("prdc", "memorization", "class-coverage", features="pixels")
    for name in ("precision", "recall", "coverage", "memorization"):
        low, high = found[name].low, found[name].high
        assert 0 <= low <= found[name].value <= high <= 1
        assert high - low > 0.01
        shown = measured(measurement(name, found[name]).found)
        assert re.fullmatch(r"[01]\.\d+ \([01]\.\d+ to [01]\.\d+\)", shown)
    known = found["class-coverage"].details
    assert known["accuracy_low"] < known["accuracy"] <= known["accuracy_high"]
    details = listed(measurement("class-coverage", found["class-coverage"]).details)
    assert re.search(r"accuracy [01]\.\d+ \(0\.\d+ to [01]\.\d+\)", details)


def test_a_share_of_all_by_chance_is_not_better_than_one_of_nearly_all() -> None:
    all_of_them, nearly = share(torch.ones(50)), share(torch.arange(50) > 1)
    cells = {"all": Result.of(all_of_them, "p"), "nearly": Result.of(nearly, "p")}
    assert best("accuracy", cells) == {"all", "nearly"}
