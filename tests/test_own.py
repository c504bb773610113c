"""What is one's own is first-class: classes of models, recipes in Python, arrays in the place of tensors, splits."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import checks
import counterfeit as cf
from conftest import Bench
from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure, recipe
from counterfeit.config.nested import load_yaml, merge, nest
from counterfeit.config.settings import Data

QUICK = {"train.batch_size": 8, "train.tensorboard": False, "train.threads": 1, "train.save_every": 1}
CODE = '''
import torch
import counterfeit as cf

class MeanField(cf.Model):
    """Independent pixels.

    Arguments:
        spec: what the data are.
        start: of every logit.
    """
    def __init__(self, spec, start: float = 0.0):
        super().__init__(spec)
        self.logits = torch.nn.Parameter(torch.full(spec.shape, start))

    def updates(self, draw, clock):
        yield cf.Update(-(draw().x * torch.nn.functional.logsigmoid(self.logits)).mean())

    def sample(self, n, y=None):
        return self.logits.sigmoid().expand(n, *self.spec.shape)
'''


class Constant(cf.Model):
    """Always the same.

    Arguments:
        spec: what the data are.
        level: where it starts.
    """

    def __init__(self, spec: cf.Spec, level: float = 0.5) -> None:
        super().__init__(spec)
        self.level = nn.Parameter(torch.full(spec.shape, level))

    def updates(self, draw, clock) -> Iterator[cf.Update]:
        yield cf.Update((draw().x - self.level).square().mean())

    def sample(self, n: int, y: torch.Tensor | None = None) -> torch.Tensor:
        return self.level.expand(n, *self.spec.shape).detach()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "own"
    return cf.train(Constant, steps=2, out=out, settings={**QUICK, "model.level": 0.25}, show=False)


def test_a_class_of_ones_own_trains_into_a_run_folder(run):
    assert run.config.model == f"{__name__}:Constant"
    assert run.config.arguments == {"level": 0.25}
    assert run.name == "own"
    again = cf.Run(run.path)
    assert torch.equal(again.sample(2), run.sample(2))
    assert "nearest" in again.evaluate("nearest", samples=30)
    assert again.report().is_file()
    assert cf.resume(run.path, {"train.steps": 3}, show=False).state["step"] == 3


def test_settings_of_ones_own_class_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"model\.levle is no setting of constant; did you mean 'model\.level'"):
        cf.train(Constant, out=tmp_path / "run", settings={"model.levle": 1.0}, show=False)


@pytest.mark.parametrize(
    ("model", "said"),
    [(int, "a class of models"), (cf.Model, "a class of models"), ("nowhere:Nothing", "cannot be imported"),
     ("json:loads", "a class of models"), (7, "a class of models")],
)  # fmt: skip
def test_what_is_no_model_is_refused_in_a_line(model, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        cf.train(model, out=tmp_path / "run", show=False)


def test_a_folder_alone_never_runs_code(tmp_path):
    (tmp_path / "field_of_mine.py").write_text(CODE + "\nopen('ran', 'a').write('x')\n")
    call = lambda *words: subprocess.run(  # noqa: E731
        [sys.executable, "-m", "counterfeit", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    words = ("--train.steps", "2", "--train.threads", "1", "--no-evaluate", "--no-report", "--out", "run")
    done = call("train", "field_of_mine:MeanField", "--model.start", "0.5", *words)
    assert done.returncode == 0, done.stderr
    (tmp_path / "ran").unlink()
    refused = call("sample", "run")
    assert refused.returncode == 2
    assert "--model-class field_of_mine:MeanField" in refused.stderr
    assert not (tmp_path / "ran").exists()
    assert call("sample", "run", "--model-class", "field_of_mine:MeanField").returncode == 0
    assert call("resume", "run", "--train.steps", "3", "--no-evaluate", "--model-class", "field_of_mine:MeanField"
                ).returncode == 0  # fmt: skip


def test_a_recipe_may_be_a_mapping(tmp_path):
    given = {"model": {"name": "gan", "noise_dim": 4}, "data": {"name": "ring"}, "train": {"steps": 1}}
    run = cf.train(given, out=tmp_path / "run", settings=QUICK, show=False)
    assert (run.config.to_dict()["model"]["noise_dim"], run.source.name) == (4, "ring")
    with pytest.raises(ValueError, match="no section"):
        cf.train({**given, "optimizer": 3}, show=False)


@pytest.mark.parametrize("name", ["vae", "nonsense"])
def test_another_model_than_the_recipes_is_refused(name):
    for layer in (nest({"model.name": name}), {"model": {"name": name}}):
        with pytest.raises(ValueError, match=f"model.name: '{name}' came; gan is a recipe of gan"):
            configure(recipe("gan"), layer)
    configure(recipe("gan"), {"model": {"name": "gan"}})
    with pytest.raises(ValueError, match="settings of the model"):
        configure(recipe("gan"), {"model": name})


# ---- what public functions are given


@pytest.mark.parametrize("n", ["5", 2.5, None, 0, -3])
def test_a_number_of_samples_that_is_none_is_one_line(run, n):
    with pytest.raises(ValueError, match="expected"):
        run.sample(n)


def test_arrays_and_lists_stand_for_tensors(bench):
    trained = bench(catalogue.recipe("bigan")).trained.run
    x = trained.source.split("test").first(3).x
    codes = trained.encode(x)
    assert torch.equal(trained.encode(x.numpy()), codes)
    assert torch.equal(trained.encode(x.tolist()), codes)
    assert torch.equal(trained.decode(codes.numpy()), trained.decode(codes))
    assert torch.equal(trained.reconstruct(x), trained.decode(codes))
    for wrong in ("x", object(), x[0], np.zeros((2, 3)), x + 9):
        with pytest.raises(ValueError, match="expect"):
            trained.encode(wrong)


def test_what_a_model_cannot_do_is_one_line(run):
    x = run.source.split("test").first(2).x
    for ask, verb in (
        (lambda: run.encode(x), "encodes"), (lambda: run.decode(torch.zeros(2, 3)), "decodes"),
        (lambda: run.translate(x, 1), "translates"), (lambda: run.upscale(x), "upscales"),
        (lambda: run.complete(x, x), "completes"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"Constant came; a model that {verb} is expected"):
            ask()


def test_samples_are_a_picture_by_one_call(run):
    assert isinstance(run.grid(9), Image.Image)
    with pytest.raises(ValueError, match="path of a run folder"):
        cf.Run(3)


def test_home_is_found(run, monkeypatch):
    monkeypatch.setenv("HOME", str(run.path.parent))
    assert cf.Run("~/own").name == "own"


# ---- splits


def test_splits_are_datasets():
    split = cf.source("digits").split("test")
    assert isinstance(split, Dataset)
    whole = split.first()
    assert torch.equal(split[3].x, whole.x[3])
    assert split[-1].y == whole.y[-1]
    assert torch.equal(split[2:7].x, whole.x[2:7])
    assert torch.equal(split[[5, 1]].x, whole.x[[5, 1]])
    assert torch.equal(split[np.array([5, 1])].y, whole.y[[5, 1]])
    assert sum(1 for _ in split) == len(split)
    for wrong in (len(split), -len(split) - 1):
        with pytest.raises(IndexError):
            split[wrong]
    with pytest.raises(TypeError):
        split[1.5]
    x, y = next(iter(DataLoader(split, batch_size=4)))
    assert torch.equal(x, whole.x[:4])
    assert torch.equal(y, whole.y[:4])
    assert next(iter(DataLoader(cf.source("ring").split("test"), batch_size=4))).shape == (4, 2)


def test_splits_with_transforms_are_datasets_too():
    split = catalogue.source(Data("digits", transforms=("flatten",))).split("test")
    assert split[0].x.shape == (64,)
    assert len([*split]) == len(split)


# ---- what things say of themselves


def test_things_say_themselves_in_a_line_and_in_a_notebook(run):
    results = run.evaluate("nearest", "parzen", samples=30)
    found, comparison = run.examine(), cf.compare([run, cf.outside("digits:train")], ["nearest"], {"samples": 30})
    for thing, words in (
        (cf.Run(run.path), "Constant on digits, step "), (results, "nearest "), (results["nearest"], "(n=30)"),
        (found, "Examination at step "), (comparison, "Comparison by 1 numbers"),
    ):  # fmt: skip
        assert words in repr(thing)
        assert "\n" not in repr(thing)
    for thing in (run, results, found, comparison):
        page = thing._repr_html_()
        assert page.startswith("<")
        assert "\n" not in page
    assert 'src="data:image/png;base64,' in run._repr_html_()
    assert "skipped" in repr(run.evaluate("nearest", "elbo", samples=30))


def test_names_in_html_are_escaped(tmp_path):
    run = cf.train(Constant, steps=1, out=tmp_path / "<b>x", settings=QUICK, show=False)
    assert "<b>x" not in run._repr_html_()
    assert "&lt;b&gt;x" in run._repr_html_()


# ---- samples made elsewhere, and comparisons


def test_arrays_are_evaluated():
    x = cf.source("digits").split("train")[:40].x
    found = cf.evaluate(x, "nearest", data="digits")["nearest"]
    assert (found.value, found.n) == (0.0, 40)
    assert cf.evaluate(x.numpy(), "nearest", data=cf.source("digits"))["nearest"].value == 0
    assert cf.evaluate(x.numpy(), "nearest", data=(x, [0, 1] * 20))["nearest"].n == 40
    narrow = x[..., :5]
    wrong = ((7, "digits", "an array, a tensor"), (x, None, "reference data"), (narrow, "digits", "shape"))
    for some, data, said in wrong:
        with pytest.raises(ValueError, match=said):
            cf.evaluate(some, "nearest", data=data)


def test_comparisons_take_lists(run):
    options = {"samples": 20}
    assert set(cf.compare([run.path], ["nearest"], options).contestants) == {"own"}
    assert set(cf.compare(run, ["nearest"], options).contestants) == {"own"}
    assert set(cf.compare([run, run], ["nearest"], options).contestants) == {"own (1)", "own (2)"}
    for wrong in ([3], {"a": 3}, [], {}):
        with pytest.raises(ValueError, match="expected"):
            cf.compare(wrong)


# ---- the page on adding a model


ROOT = Path(__file__).parents[1]
DENSITIES = ("gradients", "resume", "accumulation", "errors", "samples", "density", "likelihood", "evaluate")


@pytest.fixture
def nice(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe that the page writes, of the class that it shows."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    name = catalogue.own(import_module("own_model").NICE)
    page = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
    written = next(text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "smoke" in text)
    return recipe(merge(load_yaml(written, "the page"), {"model": {"name": name}}))


@pytest.mark.parametrize("check", DENSITIES)
def test_the_example_of_the_page_passes_what_its_recipe_must(
    nice: Recipe, check: str, bench: Callable[[Recipe], Bench]
) -> None:
    assert check in checks.applicable(catalogue.model_class(nice.model))
    bench(nice).check(checks.CHECKS[check])
