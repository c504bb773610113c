"""The common checks can fail: each passes a model that is right, and none with the fault that it looks for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

import checks
import planted
from checks import CHECKS
from conftest import Bench
from counterfeit import catalogue
from counterfeit.catalogue import Recipe, building, recipe_files
from counterfeit.config.settings import Config
from counterfeit.core import Model
from counterfeit.engine.distributed import Processes
from counterfeit.metrics import registry
from counterfeit.metrics.base import Metric, Result
from pair import weights

RECIPE = Recipe(
    "planted",
    "",
    {
        "model": {"name": "planted"},
        "data": {"name": "digits", "transforms": ["binarize"]},
        "evaluate": {"max_examples": 20},
    },
    smoke={"train": {"steps": 4, "batch_size": 8, "log_every": 1, "save_every": 2, "preview_samples": 4, "lr": 0.1}},
)
# A model of planted.py, a check, and words of its complaint.
RIGHT = [
    ("Table", "density"), ("Table", "likelihood"), ("Table", "causality"), ("Table", "samples"), ("Table", "errors"),
    ("Flow", "density"), ("Flow", "likelihood"), ("Flow", "invertible"), ("Flow", "codes"), ("Bounded", "bounds"),
    ("Paced", "steps"),
]  # fmt: skip
WRONG = [
    ("LooksAhead", "causality", "sees value"), ("LooksAhead", "density", "sum to"),
    ("LooksNowhere", "causality", "no conditional"), ("Unnormalized", "density", "sum to 1.01"),
    ("Biased", "likelihood", "chi-square"), ("Unseeded", "samples", "other samples"),
    ("Frozen", "samples", "same samples"), ("Gray", "samples", "between 0 and 1"), ("Doubled", "samples", "float64"),
    ("Unchecked", "errors", "accepts"), ("Fails", "errors", "IndexError"),
    ("Mumbles", "errors", "does not say that n=0 came"), ("Boasts", "bounds", "above iwae"),
    ("Inflates", "bounds", "everything sums to"), ("Stretched", "invertible", "nats away"),
    ("Stretched", "density", "sum to"), ("Drifts", "invertible", "away from x"),
    ("Leans", "codes", "by itself"), ("Longer", "codes", "the prior's"),
    ("Hastens", "steps", "2 steps came of 3"), ("Strays", "steps", "not the sample"),
]  # fmt: skip
TRAINED = [
    ("Summed", "accumulation", "is off by"), ("Flips", "accumulation", "other functions"),
    ("Orphan", "gradients", "orphan got no gradient"), ("Infinite", "gradients", "not finite"),
    ("Meddles", "gradients", "other.weight moved"), ("Hurries", "gradients", "nothing yet"),
    ("Idle", "gradients", "did not move"), ("Remembers", "resume", "differs"),
]  # fmt: skip


def bench_of(cls: type[Model], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Bench:
    """A bench of a model that the catalogue does not know."""
    for module in (catalogue, building, recipe_files):
        monkeypatch.setattr(module, "model_class", lambda name: cls)
    return Bench(RECIPE, lambda: folder, None)


@pytest.mark.parametrize(("name", "check"), RIGHT)
def test_check_passes_what_is_right(name, check):
    CHECKS[check](getattr(planted, name)())


@pytest.mark.parametrize(("name", "check", "words"), WRONG)
def test_check_sees_the_fault(name, check, words):
    with pytest.raises(AssertionError, match=words):
        CHECKS[check](getattr(planted, name)())


@pytest.mark.parametrize("check", ["gradients", "accumulation", "compiled", "resume", "evaluate"])
def test_check_passes_what_trains_right(check, monkeypatch, tmp_path):
    bench_of(planted.Two, monkeypatch, tmp_path).check(CHECKS[check])


@pytest.mark.parametrize(("name", "check", "words"), TRAINED)
def test_check_sees_the_fault_in_training(name, check, words, monkeypatch, tmp_path):
    with pytest.raises(AssertionError, match=words):
        bench_of(getattr(planted, name), monkeypatch, tmp_path).check(CHECKS[check])


@pytest.mark.parametrize(("net", "words"), [(planted.Slips, "is off by"), (planted.Evades, "no graph of net")])
def test_compiled_sees_the_fault(net, words, monkeypatch, tmp_path):
    bench = bench_of(planted.Table, monkeypatch, tmp_path)
    model = bench.model
    model.net = net(model.net)
    with pytest.raises(AssertionError, match=words):
        checks.compiled(model, bench.source, bench.config)


def test_distributed_sees_processes_that_drift_apart(monkeypatch, tmp_path):
    bench = bench_of(planted.Table, monkeypatch, tmp_path)

    def apart(config: Config) -> list[dict[str, Tensor]]:
        ours = weights(replace(config, train=replace(config.train, micro_batches=2)), tmp_path / "a", Processes())
        return [ours, {name: value + 1e-7 for name, value in ours.items()}]

    with pytest.raises(AssertionError, match="differ from those of one process"):
        checks.distributed(bench.config, apart, tmp_path / "b")


def test_evaluate_sees_a_number_that_is_not_finite(monkeypatch, tmp_path):
    nowhere = Metric("nowhere", "", "", None, Model, lambda *_: Result(math.nan, None, 1, "none"))
    monkeypatch.setattr(registry, "metrics", lambda: {"nowhere": nowhere})
    with pytest.raises(ValueError, match="nan came of none"):  # of which no result can be made
        bench_of(planted.Table, monkeypatch, tmp_path).check(checks.evaluate)


def test_what_a_model_can_do_decides_its_checks():
    assert {"density", "likelihood", "causality", "samples"} <= {*checks.applicable(planted.Table)}
    assert not {"bounds", "invertible"} & {*checks.applicable(planted.Table)}
    assert "invertible" in checks.applicable(planted.Flow)
    assert "bounds" in checks.applicable(planted.Bounded)
