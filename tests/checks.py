"""The common checks: what every model must pass, by what it can do.

A check is a plain function that raises AssertionError; `@asks(...)` says which capabilities it is for. Its parameters
say what it takes (`Bench` in conftest.py makes them):

    model       an untrained model of smoke size
    small       the same on data so small that it can be enumerated, or integrated over
    source      what the model trains on
    config      the settings of the smoke run
    trained     that run, finished
    pair        two processes that train together
    folder      an empty folder

What checks of densities assume of models beside the protocols of `core`:

- `conditionals(x)` makes a model autoregressive: the parameters of p(x_i | x before i), (B, *shape) or (B, *shape,
  parameters). `order`, where there is one, lists the positions from the first to the last; else they follow each other.
- A model that encodes, decodes and has a density is a flow: log p(x) = log N(z; 0, I) + log |det dz/dx|, z = encode(x).
- `decode` of a model of binary data gives the probabilities of independent values.
"""

from __future__ import annotations

import inspect
import json
import math
import random
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian

from counterfeit import catalogue
from counterfeit.catalogue import Recipe
from counterfeit.cli import main
from counterfeit.common.seeding import seeded
from counterfeit.config.nested import dump, merge
from counterfeit.config.settings import Config
from counterfeit.core import (
    CAPABILITIES,
    Bounds,
    Completes,
    Decodes,
    Density,
    Encodes,
    GivenDensity,
    Model,
    Net,
    Predicts,
    Renders,
    Samples,
    Spec,
    Stepwise,
    Translates,
    Upscales,
)
from counterfeit.data.source import Source
from counterfeit.engine.checkpoint import checkpoints, newest
from counterfeit.engine.compile import compile_nets, outermost
from counterfeit.engine.distributed import Processes
from counterfeit.engine.events import read_events
from counterfeit.engine.fit import Trainer
from counterfeit.inference.draws import draw_samples
from counterfeit.run.run import Run, train
from pair import weights
from probes import (
    Dealt,
    Recorded,
    cells,
    close,
    excess,
    gradients_of,
    interpose,
    marginal,
    mean_and_error,
    plain,
    rounded,
    surprise,
    under,
    watched,
)

Check = Callable[..., None]
CHECKS: dict[str, Check] = {}
NEEDS: dict[str, tuple[type, ...]] = {}


@runtime_checkable
class Autoregressive(Protocol):
    """Factorizes its density into conditionals."""

    def conditionals(self, x: Tensor) -> Tensor:
        """Parameters of the conditional of every value of `x`, (B, *shape) or (B, *shape, parameters)."""


@dataclass(frozen=True)
class Trained:
    """A finished run and what trained it, still in memory."""

    run: Run
    trainer: Trainer


def asks(*capabilities: type) -> Callable[[Check], Check]:
    """Register a check for models that have all of these capabilities."""

    def register(check: Check) -> Check:
        CHECKS[check.__name__], NEEDS[check.__name__] = check, capabilities
        return check

    return register


def applicable(cls: type) -> list[str]:
    """Names of the checks that a model of this class must pass."""
    return [name for name, needs in NEEDS.items() if all(catalogue.able(cls, need) for need in needs)]


@asks()
def gradients(model: Model, source: Source, config: Config) -> None:
    """Every parameter gets a finite gradient, and after each update only what it names has moved."""
    interpose(model, partial(watched, model))
    found = gradients_of(model, source, config.train)
    missing = [name for name, _ in model.named_parameters() if name not in found]
    assert not missing, f"{', '.join(missing)} got no gradient"
    broken = [name for name, gradient in found.items() if not bool(torch.isfinite(gradient).all())]
    assert not broken, f"{', '.join(broken)} got a gradient that is not finite"


@asks()
def accumulation(model: Model, source: Source, config: Config) -> None:
    """Two micro-batches give the gradients of the whole minibatch where both meet the same noise."""
    whole, settings = deepcopy(model), plain(config.train)
    drawn: list[Tensor] = []
    interpose(whole, partial(under, Recorded(drawn)))
    expected = gradients_of(whole, source, settings)
    pieces = count()
    interpose(model, lambda updates: under(Dealt(drawn, settings.batch_size, 2, next(pieces)), updates))
    close(gradients_of(model, source, replace(settings, micro_batches=2)), expected)


@asks()
def distributed(config: Config, pair: Callable[[Config], list[dict[str, Tensor]]], folder: Path) -> None:
    """Two processes end with the parameters, bit for bit, of one that takes two micro-batches."""
    expected = weights(replace(config, train=replace(config.train, micro_batches=2)), folder, Processes())
    for found in pair(config):
        differing = [name for name, value in expected.items() if not torch.equal(value, found[name])]
        assert not differing, f"{', '.join(differing)} differ from those of one process"


@asks()
def compiled(model: Model, source: Source, config: Config) -> None:
    """Compiled nets give the gradients of eager ones, and a graph of every outermost one is captured."""
    expected = gradients_of(deepcopy(model), source, plain(config.train))
    captured: set[Net] = set()
    for net in outermost(model):
        net.compile = partial(_compile_and_tell, net, captured)  # type: ignore[method-assign]
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The .grad attribute")  # torch's own look at an input, which it means to hide
        compile_nets(model, "aot_eager")
        close(gradients_of(model, source, plain(config.train)), expected)
    torch._dynamo.reset()
    missing = [name for name, net in model.named_modules() if net in {*outermost(model)} - captured]
    assert not missing, f"no graph of {', '.join(missing)} was captured"


def _compile_and_tell(net: Net, captured: set[Net], backend: str) -> None:
    inner = torch._dynamo.lookup_backend(backend)

    def tell(graph: Any, inputs: Any) -> Any:
        captured.add(net)
        return inner(graph, inputs)

    nn.Module.compile(net, backend=tell)


@asks()
def resume(trained: Trained, folder: Path) -> None:
    """Going on from the first checkpoint, with nothing else kept, ends bit for bit where the whole run did."""
    whole, cut = trained.run.path, folder / "cut"
    shutil.copytree(whole, cut)
    shutil.rmtree(newest(cut))
    resumed = Run(cut, "newest", device="cpu").resume(show=False)
    same_end(whole, cut)
    model = trained.trainer.stepper.average.model()
    if isinstance(model, Samples):
        same = torch.equal(resumed.sample(5, seed=0), resumed.source.natural(draw_samples(model, 5, seed=0)))
        assert same, "the loaded run samples differently"


def same_end(whole: Path, cut: Path) -> None:
    """Raise unless two run folders end with the same weights, the same training state and the same events."""
    last, ours = newest(whole), newest(cut)
    assert last.name == ours.name, f"one run ends with {last.name}, the other with {ours.name}"
    for file in ("model.safetensors", "training.safetensors"):
        assert (last / file).read_bytes() == (ours / file).read_bytes(), f"{file} differs"
    assert _events(whole) == _events(cut), "events differ"


def _events(run: Path) -> list[dict[str, Any]]:
    clocks = {"seconds", "steps_per_second"}
    return [{key: value for key, value in event.items() if key not in clocks} for event in read_events(run)]


def kill(recipe: Recipe, folder: Path, steps: int = 60) -> None:
    """A run killed at a random moment and resumed by command ends bit for bit as if nothing had happened."""
    settings = {"train": {"steps": steps, "save_every": steps, "tensorboard": False, "threads": 1, "device": "cpu"}}
    file = folder / "killed.yaml"
    file.write_text(dump(merge(merge(recipe.settings, recipe.smoke), settings)), encoding="utf-8")
    train(str(file), out=folder / "whole", settings={"train.save_every": 2}, show=False)
    options = ["--train.save_every", "2", "--out", str(folder / "cut"), "--no-evaluate", "--no-report"]
    process = subprocess.Popen([sys.executable, "-m", "counterfeit", "train", str(file), *options])
    step, delay = 2 * random.randint(0, steps // 8), random.random() * 0.02
    while _saved(folder / "cut") < step and process.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    assert process.wait() != 0, f"the run ended before it was killed, {delay:.3f} s after step {step}"
    anew = [] if checkpoints(folder / "cut") else ["--anew"]
    assert main(["resume", str(folder / "cut"), *anew, "--no-evaluate", "--no-report"]) == 0
    same_end(folder / "whole", folder / "cut")


def _saved(run: Path) -> int:
    """The step of the newest checkpoint; 0 before the first and -1 before there is a run."""
    return max((int(path.name[5:]) for path in checkpoints(run)), default=(run / "run.yaml").exists() - 1)


@asks(Samples)
def samples(model: Model) -> None:
    """Samples have the shape, type and range of the data, and follow from the seed."""
    model.eval()
    for n in (1, 5):
        x = _draw(model, n, 0)
        assert len(x) == n, f"{len(x)} samples came where {n} were asked for"
        assert x.dtype == torch.float32, f"samples are {x.dtype}"
        try:
            model.spec.check(x, "the data")
        except ValueError as error:
            raise AssertionError(f"samples are not like the data: {error}") from error
    assert torch.equal(_draw(model, 5, 0), _draw(model, 5, 0)), "the same seed gives other samples"
    assert not torch.equal(_draw(model, 5, 0), _draw(model, 5, 1)), "another seed gives the same samples"


def _draw(model: Any, n: int, seed: int) -> Tensor:
    with torch.no_grad(), seeded(seed):
        return model.sample(n)


@asks(Stepwise)
def steps(model: Any) -> None:
    """A draw in steps has as many as it says, each like the data, and its last is the sample."""
    model.eval()
    with torch.no_grad(), seeded(0):
        shown = [*model.trajectory(3)]
    assert len(shown) == model.sampling_steps, f"{len(shown)} steps came of {model.sampling_steps}"
    for x in shown:
        model.spec.check(x, "a step")
    assert torch.equal(shown[-1], _draw(model, 3, 0)), "the last step is not the sample"


@asks(Encodes, Decodes)
def codes(model: Any) -> None:
    """Codes are like those of the prior, each its example's alone, and decode to what is shaped like data."""
    model.eval()
    with torch.no_grad(), seeded(0):
        x, prior = rounded(model.spec, 4), model.prior(4)
        z = model.encode(x)
        alone, y = model.encode(x[1:2]), model.decode(z)
    assert tuple(z.shape) == tuple(prior.shape), f"codes have shape {tuple(z.shape)}, the prior's {tuple(prior.shape)}"
    off = float((alone - z[1:2]).abs().max())
    assert off < 1e-4, f"a code is off by {off:.2g} where its example is encoded by itself"
    assert tuple(y.shape) == tuple(x.shape), f"codes of {tuple(x.shape)} decode to {tuple(y.shape)}"
    assert bool(torch.isfinite(y).all()), "some decoded values are not finite"
    inside = not model.spec.bounded or (float(y.min()) >= 0 and float(y.max()) <= 1)
    assert inside, f"decoded values lie in [{float(y.min()):.4g}, {float(y.max()):.4g}]"


@asks(Completes)
def completions(model: Any) -> None:
    """Completions are like the data, keep what is known, see nothing else, vary, and follow from the seed."""
    model.eval()
    with seeded(0):
        x, mask = torch.rand(4, *model.spec.shape).round(), torch.rand(4, *model.spec.shape).round()

    def draw(seed: int, x: Tensor = x) -> Tensor:
        with torch.no_grad(), seeded(seed):
            return model.complete(x, mask)

    y = draw(0)
    try:
        model.spec.check(y, "the data")
    except ValueError as error:
        raise AssertionError(f"completions are not like the data: {error}") from error
    assert torch.equal(y[mask == 1], x[mask == 1]), "what is known changes"
    assert torch.equal(y, draw(0, torch.where(mask == 1, x, 1 - x))), "values that are missing matter"
    assert torch.equal(y, draw(0)), "the same seed gives other completions"
    assert not torch.equal(y, draw(1)), "another seed gives the same completions"
    rejects(partial(model.complete, x, mask[:2]), str(tuple(mask[:2].shape)))
    rejects(partial(model.complete, x, mask / 2), "0 and 1")


@asks(Translates)
def translations(model: Any) -> None:
    """Translations are like the data, each by itself, follow the domain asked for, and are the same every time."""
    if not isinstance(model, Translates):
        return  # it was told no labels
    model.eval()
    with torch.no_grad(), seeded(0):
        for p in model.parameters():  # of which some begin at 0, and say nothing yet
            p.add_(0.05 * torch.randn_like(p))
        x, to = torch.rand(4, *model.spec.shape), torch.tensor([0, 1, 0, 1])
        y = model.translate(x, to)
        alone, again, others = model.translate(x[1:2], to[1:2]), model.translate(x, to), model.translate(x, 1 - to)
    try:
        model.spec.check(y, "the data")
    except ValueError as error:
        raise AssertionError(f"translations are not like the data: {error}") from error
    assert tuple(y.shape) == tuple(x.shape), f"translations of {tuple(x.shape)} have shape {tuple(y.shape)}"
    off = float((alone - y[1:2]).abs().max())
    assert off < 1e-4, f"an example is off by {off:.2g} where it is translated by itself"
    assert torch.equal(y, again), "the same example is translated differently"
    assert float((y - others).abs().max()) > 1e-4, "the domain makes no difference"
    rejects(partial(model.translate, x, to[:2]), "(2,)")
    rejects(partial(model.translate, x, to + model.spec.classes), f"labels {model.spec.classes}")
    rejects(partial(model.translate, x, to.float()), "float32")


@asks(Renders)
def renderings(model: Any) -> None:
    """What is made of given pictures is like the data, each by itself, and the same every time; others are refused."""
    model.eval()
    with torch.no_grad(), seeded(0):
        given = torch.rand(4, *model.spec.given)
        y, again, alone = model.render(given), model.render(given), model.render(given[1:2])
    model.spec.check(y, "the data")
    assert torch.equal(y, again), "the same picture is rendered differently"
    off = float((alone - y[1:2]).abs().max())
    assert off < 1e-4, f"a picture is off by {off:.2g} where it is rendered by itself"
    for x, came in wrong(model.spec.givens):
        rejects(partial(model.render, x), came)


@asks(Density)
def density(small: Any) -> None:
    """Probabilities of all states sum to one; a density integrates to one."""
    points, volume, _, _ = cells(small.spec)
    with torch.no_grad():
        total = float(small.eval().log_prob(points).double().exp().sum() * volume)
    assert abs(total - 1) < 1e-3, f"the probabilities of everything sum to {total:.6g}"


@asks(GivenDensity)
def given(model: Any) -> None:
    """Likelihoods given labels or series are numbers, and of what is not told or is no such thing there are none."""
    x = torch.zeros(2, *model.spec.shape)
    y = torch.zeros(2, *model.spec.series) if model.spec.series else torch.zeros(2).long()
    if model.conditional:
        assert model.log_prob_given(x, y).shape == (2,)
        assert bool(model.log_prob_given(x, y).isfinite().all())
        rejects(partial(model.log_prob_given, x, y[:1]), "shape (1")
    else:
        rejects(partial(model.log_prob_given, x, y), "is told nothing")


@asks(Samples, Density)
def likelihood(small: Any) -> None:
    """Samples fall where the density says, by a chi-square test."""
    n, (points, volume, bins, locate) = 20_000, cells(small.spec)
    found = torch.bincount(locate(_draw(small.eval(), n, 0)), minlength=int(bins.max()) + 1)
    with torch.no_grad():
        expected = torch.bincount(bins, small.log_prob(points).double().exp() * volume * n, len(found))
    off = surprise(found.double(), expected)
    assert off < 4, f"the chi-square of {n} samples lies {off:.1f} standard deviations too high"


@asks(Bounds)
def bounds(small: Any, k: int = 5) -> None:
    """ELBO <= IWAE <= log-likelihood in expectation, and exp(iwae) is the likelihood without bias."""
    points, volume, _, _ = cells(small.spec)
    draws = max(8, 2**15 // len(points))
    with torch.no_grad(), seeded(0):
        x = points.repeat_interleave(draws, 0)
        elbo, iwae = (b.view(-1, draws).double() for b in (small.eval().elbo(x), small.iwae(x, k)))
        off = excess(elbo, mean_and_error(iwae))
        assert off < 6, f"elbo lies above iwae with {k} samples by {off:.1f} standard errors"
        total, error = mean_and_error(iwae.exp().sum(0) * volume)
        assert abs(total - 1) < 5 * error + 1e-4, f"exp(iwae) of everything sums to {total:.4f} ± {error:.4f}"
        if small.spec.kind == "binary" and isinstance(small, Decodes):
            exact, error = marginal(small.decode, small.prior(2**16), points)
            off = excess(iwae, (exact.log(), error / exact))
            assert off < 6, f"iwae lies above the log-likelihood by {off:.1f} standard errors"
            off = max(excess(iwae.exp(), (exact, error)), excess(-iwae.exp(), (-exact, error)))
            assert off < 6, f"exp(iwae) is {off:.1f} standard errors away from the likelihood"


@asks(Encodes, Decodes, Density)
def invertible(small: Any, n: int = 16) -> None:
    """Decoding undoes encoding, and the density counts the volume as autograd does."""
    small.eval()
    with torch.no_grad(), seeded(0):
        x = torch.rand(n, *small.spec.shape) * 0.8 + 0.1
        z, log_prob = small.encode(x), small.log_prob(x)
        off = float((small.decode(z) - x).abs().max())
    assert off < 1e-4, f"decode(encode(x)) is {off:.2g} away from x"
    volumes = [_log_volume(lambda v: small.encode(v.view(1, *small.spec.shape)).flatten(), v) for v in x.flatten(1)]
    expected = torch.stack(volumes) - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    off = float((log_prob - expected).abs().max())
    assert off < 1e-3, f"log_prob is {off:.2g} nats away from log N(z; 0, I) + log |det dz/dx|"


def _log_volume(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.linalg.slogdet(jacobian(f, x)).logabsdet


@asks(Autoregressive, Density)
def causality(small: Any) -> None:
    """A conditional moves, by gradient or by a flipped bit, with what comes before it, and with nothing else."""
    small.eval()
    dims, order = small.spec.dims, getattr(small, "order", torch.arange(small.spec.dims))
    binary = small.spec.kind == "binary"
    with seeded(0):
        x = torch.rand(dims).round() if binary else torch.rand(dims)

    def conditionals(v: Tensor) -> Tensor:
        return small.conditionals(v.view(-1, *small.spec.shape)).reshape(len(v), dims, -1)

    moved = jacobian(lambda v: conditionals(v[None])[0], x).abs().amax(1)  # (D, D): of output i to input j
    if binary:  # tables have no gradient
        before, *after = conditionals(torch.cat([x[None], (x - torch.eye(dims)).abs()]))
        moved = moved + torch.stack([((one - before).abs() > 1e-6).any(1) for one in after], 1)
    reach = moved[order][:, order]
    i, j = torch.where(reach.triu() > 0)
    assert not len(i), f"conditional {int(i[0])} sees value {int(j[0])}, which is not before it"
    assert bool((reach.tril(-1) > 0).any()), "no conditional sees any value before it"


@asks()
def errors(model: Any) -> None:
    """A wrong shape, type, range or number is a ValueError of one line that says what came and what is expected."""
    model.eval()
    for method, others in _takers(model):
        for x, came in wrong(model.spec):
            rejects(partial(method, x, *others), came)
    if isinstance(model, Samples):
        rejects(partial(model.sample, 0), "n=0")
        rejects(partial(model.sample, -1), "n=-1")
    if isinstance(model, Decodes):
        rejects(partial(model.prior, 0), "n=0")
        size = model.prior(1).shape[1] + 1
        rejects(partial(model.decode, torch.zeros(2, size)), f"(2, {size})")
    if isinstance(model, Bounds):
        rejects(partial(model.iwae, torch.zeros(2, *model.spec.shape), 0), "k=0")


def _takers(model: Model) -> Iterator[tuple[Callable[..., Tensor], list[Any]]]:
    """Methods of the model's capabilities that take examples, with what else they take."""
    others = {"k": 2, "t": torch.zeros(2), "to": torch.zeros(2).long(), "mask": torch.ones(2, *model.spec.shape)}
    others["steps"], acts = 2, bool(model.spec.actions)
    others["actions"] = torch.zeros(2, model.spec.shape[0] + 1).long() if acts else None
    told = (2,) if model.spec.classes else (2, model.spec.max_tokens)
    others["y"] = torch.zeros(told).long() if model.spec.classes or model.spec.vocabulary else None
    beside = model.spec.series or model.spec.given
    others["y"] = torch.zeros(2, *beside) if beside else others["y"]
    others["y"] = torch.zeros(2, model.spec.shape[0] - 1).long() if acts else others["y"]
    limited = [c for c in CAPABILITIES if c is not Upscales]  # which takes any size: see `upscaling`
    for capability in (c for c in limited if isinstance(model, c)):
        for name, method in inspect.getmembers(capability, inspect.isfunction):
            taken = [*inspect.signature(method).parameters][1:]
            if not name.startswith("_") and taken[:1] == ["x"]:
                yield getattr(model, name), [others[key] for key in taken[1:]]


def wrong(spec: Spec) -> list[tuple[Tensor, str]]:
    """Examples that do not belong to data of `spec`, each with the words that say so."""
    x = torch.zeros(2, *spec.shape)
    longer = torch.zeros(2, *spec.shape[:-1], spec.shape[-1] + 1)
    found = [(x[0], str(tuple(x[0].shape))), (longer, str(tuple(longer.shape))), (x.long(), "int64")]
    found += [(x + math.nan, "finite"), (x + math.inf, "finite")]
    found += [(x + 2, "[2, 2]"), (x - 1, "[-1, -1]")] if spec.bounded else []
    found += [(x + 0.5, "whole numbers"), (x - 1, "[-1, -1]"), (x + len(spec.vocabulary) + 1, "whole numbers")] * (
        spec.kind == "tokens"
    )
    return found + ([(x + 0.5, "between 0 and 1")] if spec.kind == "binary" else [])


def rejects(call: Callable[[], Any], came: str) -> None:
    """Raise unless `call` raises a ValueError of one line that says what came and what is expected."""
    method = getattr(call, "func", call)
    who = getattr(method, "__qualname__", str(method))
    try:
        call()
    except ValueError as error:
        text = str(error)
        assert "\n" not in text, f"{who} complains in several lines: {text}"
        assert came in text, f"{who} does not say that {came} came: {text}"
        assert "expect" in text, f"{who} does not say what is expected: {text}"
    except Exception as error:
        raise AssertionError(f"{who} raises {type(error).__name__} where {came} comes: {error}") from error
    else:
        raise AssertionError(f"{who} accepts what it should not: {came}")


@asks(Upscales)
def upscaling(model: Any) -> None:
    """Pictures of any size come back larger, in range, as the seed has them; anything else is told."""
    if not isinstance(model, Upscales):
        return  # its data are no pictures
    model.eval()
    channels = model.spec.shape[0]
    for sides in ((5, 7), (8, 8)):
        with torch.no_grad(), seeded(0):
            x = torch.rand(2, channels, *sides)
        with torch.no_grad(), seeded(1):
            y = model.upscale(x)
        with torch.no_grad(), seeded(1):
            again = model.upscale(x)
        want = (2, channels, *(model.factor * side for side in sides))
        assert tuple(y.shape) == want, f"pictures of {sides} come back as {tuple(y.shape)}, not {want}"
        assert 0 <= float(y.min()) <= float(y.max()) <= 1, f"pixels lie in [{float(y.min())}, {float(y.max())}]"
        assert torch.equal(again, y), "the same seed upscales the same pictures differently"
    for x, came in wrong(model.spec):
        if x.shape[1:2] != (channels,) or came not in str(tuple(x.shape)):  # wider ones are welcome
            rejects(partial(model.upscale, x), came)
    rejects(partial(model.upscale, torch.zeros(2, channels + 1, 8, 8)), f"(2, {channels + 1}, 8, 8)")


@asks(Predicts)
def foreseeing(model: Any) -> None:
    """Rollouts have the shape and range of the data, begin the same however long, and hang on what was given."""
    model.eval()
    frames, *shape = model.spec.shape
    kinds = len(model.spec.actions)
    with torch.no_grad(), seeded(0):
        for given in {1, frames}:
            x, acted = torch.rand(2, given, *shape), [torch.randint(kinds, (2, given + 2))] if kinds else []
            first = [actions[:, :given] for actions in acted]
            y = model.predict(x, 3, *acted)
            assert tuple(y.shape) == (2, 3, *shape), f"three frames came as {tuple(y.shape)}"
            assert 0 <= float(y.min()) <= float(y.max()) <= 1, f"pixels lie in [{float(y.min())}, {float(y.max())}]"
            off = float((model.predict(x, 1, *first) - y[:, :1]).abs().max())
            assert off < 1e-5, f"the first frame is off by {off:.2g} where more are asked for"
            blind = model.predict(1 - x, 1, *first)
            assert not torch.equal(blind, y[:, :1]), "whatever was given, the same is foreseen"
            for actions in acted:
                others = (actions + (torch.arange(given + 2) == given)) % kinds  # after the first frame foreseen
                changed = (model.predict(x, 3, others) - y).abs().flatten(2).amax((0, 2))
                assert float(changed[0]) == 0, "an action changes what was before it"
                assert float(changed[1]) > 0, "whatever is done, the same is foreseen"
                rejects(partial(model.predict, x, 2, actions), str(tuple(actions.shape)))
                rejects(partial(model.predict, x, 3, actions + kinds), f"to {int(actions.max()) + kinds}")
    rejects(partial(model.predict, torch.zeros(2, *model.spec.shape), 0), "steps=0")
    others = (None, "no actions") if kinds else (torch.zeros(2, frames).long(), "actions")
    rejects(partial(model.predict, torch.zeros(2, *model.spec.shape), 1, others[0]), others[1])


@asks()
def evaluate(trained: Trained) -> None:
    """Every metric of the recipe is a finite number with its protocol, and is remembered as it was."""
    run = trained.run
    results = run.evaluate()
    assert results, "nothing is evaluated"
    saved = json.loads((run.path / "evaluation.json").read_text(encoding="utf-8"), parse_constant=_not_json)
    for name, result in results.items():
        assert math.isfinite(result.value), f"{name} is {result.value}"
        assert result.error is None or 0 <= result.error < math.inf, f"the error of {name} is {result.error}"
        assert result.n >= 1, f"{name} averages {result.n} values"
        assert result.protocol, f"{name} has no protocol"
        expected = {**json.loads(json.dumps(result.to_dict())), "checkpoint": run.checkpoint.name}
        settings = saved[name].pop("settings")
        assert settings["samples"] == run.config.evaluate.samples, f"{name} is remembered with other settings"
        assert saved[name] == expected, f"{name} is remembered differently"


def _not_json(constant: str) -> None:
    raise AssertionError(f"evaluation.json holds {constant}, which is not JSON")
