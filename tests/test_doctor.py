"""The training doctor: statistics with known answers, findings on planted charts, rollbacks, commands."""

import json
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

import counterfeit as cf
from checks import same_end
from counterfeit import catalogue
from counterfeit.catalogue import build
from counterfeit.cli import main
from counterfeit.common.file_schemas import EVENT
from counterfeit.common.files import dumps
from counterfeit.common.schema import parse_json
from counterfeit.config.nested import flatten, nest
from counterfeit.config.parse import groups
from counterfeit.config.settings import Train
from counterfeit.core import Clock, Model, Spec, Update
from counterfeit.data.source import InMemory, Source
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.divergence import DivergedError, UnhealthyError
from counterfeit.engine.doctor import network_statistics, prose, rules, sample_statistics
from counterfeit.engine.doctor.examiner import Doctor, slowed
from counterfeit.engine.doctor.finding import Change, Finding, Sign
from counterfeit.engine.doctor.history import Chart
from counterfeit.engine.doctor.rules import diagnose
from counterfeit.engine.doctor.sample_statistics import look_at_codes, reference
from counterfeit.engine.events import read_events
from counterfeit.engine.fit import Display, fit
from counterfeit.engine.step import Stepper
from counterfeit.nets.conv import ConvPlayers
from counterfeit.report.run_page.page import page
from flat import flat

CPU = torch.device("cpu")


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Points(Source):
    """Points of a Gaussian: in 64 dimensions none lie close to each other by chance."""

    name, summary, fingerprint = "points", "points of a Gaussian", ""

    def __init__(self, dims=64, train=500, labels=0, offset=0.0):
        self.spec = Spec((dims,), "real", labels)
        x = gaussian(train + 300, dims) + offset
        y = torch.arange(len(x)) % labels if labels else None
        if labels:
            x = x + 100 * nn.functional.one_hot(y, dims)
        cut = lambda a, b: InMemory(x[a:b], None if y is None else y[a:b])  # noqa: E731
        self.parts = {"train": cut(0, train), "valid": cut(train, train + 150), "test": cut(train + 150, None)}

    def split(self, name):
        return self.parts[name]


class Gives(Model):
    """Samples that are planted: `x`, over and over."""

    def __init__(self, x, kind="real"):
        super().__init__(Spec(tuple(x.shape[1:]), kind))
        self.x, self.weight = x, nn.Parameter(torch.ones(1))

    def sample(self, n, y=None):
        return self.x[torch.arange(n) % len(self.x)]

    def updates(self, draw, clock):
        yield Update(self.weight.sum())


def shown(x, source=None, kind="real"):
    source = source or Points(x[0].numel())
    return sample_statistics.look_at_samples(Gives(x, kind), sample_statistics.reference(source, CPU, 0), 0)


def test_new_draws_of_the_same_density_look_like_data():
    found = shown(gaussian(1_000, 64, seed=1))
    assert found["groups"] == pytest.approx(found["groups-data"], rel=0.2)  # centers fit the data they were found on
    assert found["twins"] == pytest.approx(1, abs=0.05)
    assert found["spread"] == pytest.approx(1, abs=0.05)
    assert found["reach"] == pytest.approx(1, abs=0.05)
    assert found["near"] == pytest.approx(found["near-data"], rel=0.05)
    assert found["copies"] == found["copies-data"] == 0


def test_one_training_point_over_and_over():
    source = Points(labels=5)
    found = shown(source.split("train").x[:1], source)
    assert found["groups"] == pytest.approx(1)
    assert found["missing"] == 4
    assert found["classes"] == 5
    assert found["spread"] == found["twins"] == found["near"] == 0
    assert found["copies"] == 1


def test_known_modes_are_counted():
    source = catalogue.source("ring")
    found = shown(source.modes[:6], source)
    assert (found["missing"], found["modes"]) == (2, 8)


def test_a_few_training_examples_are_compared_to_draws_of_them():
    source = Points(train=10)
    known = sample_statistics.reference(source, CPU, 0)
    assert known.twin == 0  # 256 draws of ten examples repeat themselves too, so that says nothing of the model
    assert math.isnan(sample_statistics._diversity(known.train, known)["twins"])


def test_samples_off_scale_and_at_the_limits():
    source = Points()
    x = source.split("train").x
    assert shown(3 * (x - x.mean(0)) + x.mean(0), source)["reach"] == pytest.approx(3, rel=0.05)
    assert shown(torch.tensor([[0.0, 1.0, 0.5, 1.0]]).repeat(9, 1), Points(4), "image")["limits"] == 0.75


def test_samples_that_are_not_finite():
    x = gaussian(4, 64)
    x[0, 0] = math.nan
    assert shown(x) == {"finite": 0.75}


class Codes(Gives):
    """Two codes of which one follows the data."""

    def encode(self, x):
        return torch.stack([x[:, 0], 0.01 * x[:, 1]], 1)

    def prior(self, n):
        return torch.randn(n, 2)

    def decode(self, z):
        return z.repeat(1, 32)

    def elbo(self, x):
        return x[:, 0]

    def iwae(self, x, k):
        return self.elbo(x)


def test_active_codes_and_the_advantage_of_training_examples():
    known = sample_statistics.reference(Points(), CPU, 0)
    model = Codes(gaussian(3, 64))
    assert sample_statistics.look_at_codes(model, known, 0) == {
        "codes": 2,
        "active": 0.5,
        "kept": pytest.approx(-0.585, abs=1e-3),
    }
    assert sample_statistics.look_at_codes(Gives(model.x), known, 0) == {}
    few = sample_statistics.reference(Points(train=200), CPU, 0)
    x = few.batch.x
    found = sample_statistics.look_at_likelihood(model, few._replace(held_out=x - 2), 0)
    assert found["nats"] - found["nats-held-out"] == pytest.approx(2, rel=1e-4)
    assert found["advantage"] == pytest.approx(2 / float(x[:, 0].std()), rel=1e-4)
    assert sample_statistics.look_at_likelihood(Gives(model.x), known, 0) == {}


class Norms(Model):
    """Two parts with known gradients, batch normalization, dropout and a dead layer."""

    def __init__(self, lr=0.1):
        super().__init__(Spec((64,), "real"))
        self.a, self.b = nn.Linear(2, 1, bias=False), nn.Sequential(nn.Linear(64, 4), nn.BatchNorm1d(4), nn.ReLU())
        nn.init.ones_(self.a.weight)
        self.dead = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
        nn.init.constant_(self.dead[0].bias, -1e6)

    def updates(self, draw, clock):
        loss = 0.5 * (3 * self.a.weight).square().sum()
        yield Update(loss, ("a",), {"a/loss": loss.detach()})
        h = nn.functional.dropout(self.b(draw().x), training=self.training)
        loss = (h.sum(1) + self.dead(h).sum(1) - torch.rand(())).square().mean()
        yield Update(loss, ("b",), {"b/loss": loss.detach()})

    def sample(self, n, y=None):
        return torch.randn(n, 64) * self.a.weight.mean()


def test_gradients_gains_and_dead_layers_of_one_step():
    stepper = Stepper(Norms(), Train(batch_size=16), Processes())
    found = network_statistics.look_at_training(
        stepper, sample_statistics.reference(Points(), CPU, 0), Clock(0, 10), 16, 0
    )
    assert found["gradient/a"] == pytest.approx(9 * math.sqrt(2))
    assert found["gain/a"] == pytest.approx(math.sqrt(2))
    assert found["dead/dead.1"] == 1
    assert found["dead/b.2"] < 1


def test_the_gain_is_of_what_comes_into_units():
    layer = nn.ConvTranspose2d(8, 2, 3)
    nn.init.constant_(layer.weight, 0.5)
    assert network_statistics.gain(layer) == pytest.approx(0.5 * math.sqrt(8 * 9))
    assert network_statistics.gain(nn.Embedding(10, 900)) == 0  # which nothing comes into


def test_an_examination_leaves_everything_as_it_was():
    model = Norms()
    model.eval().a.train()
    stepper = Stepper(model, Train(batch_size=16), Processes())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    buffers = [id(b) for b in model.buffers()]
    doctor = Doctor(stepper, Points(), stepper.train, [], 16)
    assert doctor.examine(3) == doctor.examine(3)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert modes == [m.training for m in model.modules()]
    assert torch.equal(random, torch.get_rng_state())
    assert buffers == [id(b) for b in model.buffers()]
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("recipe", ["gan", "vae"])
def test_training_is_the_same_with_and_without(recipe, tmp_path):
    size = {"hidden": [8], **({"discriminator_hidden": [8]} if recipe == "gan" else {})}
    train = {"steps": 12, "batch_size": 8, "save_every": 3, "log_every": 2, "tensorboard": False, "monitor": None}
    small = {doctor: {"model": size, "train": {**train, "doctor": doctor}} for doctor in ("off", "watch")}
    runs = [cf.train(recipe, out=tmp_path / name, show=False, settings=chosen) for name, chosen in small.items()]
    for file in ("model.safetensors", "training.safetensors"):
        off, watched = ((checkpoint.newest(run.path) / file).read_bytes() for run in runs)
        assert off == watched
    assert not any(key.startswith("doctor/") for event in runs[0].events for key in event)
    assert sum("doctor/spread" in event for event in runs[1].events) == 4


@pytest.fixture(scope="module")
def gan():
    return flat(catalogue.model_class("gan"), Spec((1, 8, 8)), hidden=(8,), discriminator_hidden=(8,))


HEALTHY = {
    "finite": 1.0, "groups": 18.0, "groups-data": 19.0, "twins": 0.9, "missing": 0.0, "classes": 10.0, "copies": 0.02,
    "copies-data": 0.01, "near-data": 1.0, "reach": 1.0, "limits": 0.3, "limits-data": 0.5, "codes": 8.0, "active": 0.6,
    "advantage": 0.2, "nats": -80.0, "nats-held-out": -85.0, "gradient/generator": 0.3, "gain/generator": 2.0,
    "dead/generator.body.hidden.1": 0.5,
}  # fmt: skip
LOGS = {
    "discriminator/real": 0.6, "discriminator/fake": 0.4, "discriminator/loss": 0.6, "generator/loss": 0.9, "kl": 5.0
}  # fmt: skip


def chart(model, signs=None, logs=None, steps=2_000, examined=(1_000, 1_500), **settings):
    """A healthy run of 1,500 steps, but for what is planted in its last third."""
    rows = []
    for step in range(50, 1_501, 50):
        rows.append({"step": step, **LOGS, **((logs or {}) if step > 1_000 else {})})
        if step in examined:
            rows.append({"step": step, **{f"doctor/{k}": v for k, v in {**HEALTHY, **(signs or {})}.items()}})
    return Chart(rows, Train(steps=steps), model, **settings)


def test_silence_on_a_healthy_chart(gan):
    assert diagnose(chart(gan)) == []
    assert diagnose(chart(gan, complete=True)) == []
    assert diagnose(Chart([], Train(), gan, complete=True)) == []


WON = {"discriminator/real": 0.9999, "discriminator/fake": 0.0001}
PLANTED = [
    ({"groups": 5.0}, {}, "mode-collapse", "failure", "5.0 groups where data fall into 19.0"),
    ({"missing": 3.0}, {}, "mode-collapse", "warning", "3 of 10 classes have no sample"),
    ({"twins": 0.01}, {}, "mode-collapse", "failure", "0.01 times as far from each other"),
    ({}, WON, "discriminator-won", "warning", "real examples 0.9999 and fake ones 0.0001"),
    ({"gradient/generator": 1e-9}, WON, "discriminator-won", "failure", "gradient of generator has fallen to 1e-09"),
    ({"gain/generator": 90.0}, {}, "divergence", "failure", "keeps signals at their scale: generator 90"),
    ({"reach": 20.0}, {}, "divergence", "failure", "20 times as far from the data's mean"),
    ({"limits": 0.99}, {}, "divergence", "failure", "99% of the pixels of samples are black or white, of data 50%"),
    ({}, {"generator/loss": 500.0}, "divergence", "failure", "generator/loss rose to 500"),
    ({"active": 0.0}, {"kl": 0.01}, "posterior-collapse", "failure", "0 of 8 codes tell one example from another"),
    ({"copies": 0.9}, {}, "memorization", "failure", "90% of the samples lie closer than 0.5 to a training example"),
    ({"advantage": 4.0}, {}, "memorization", "warning", "-80 nats, held-out ones -85: 4.0 standard deviations"),
    ({"dead/generator.body.hidden.1": 0.9}, {}, "dead-units", "warning", "90% of the units of generator.body.hidden.1"),
    ({"dead/generator.body.hidden.1": 1.0}, {}, "dead-units", "failure", "never change"),
]


@pytest.mark.parametrize(("signs", "logs", "kind", "severity", "saw"), PLANTED)
def test_planted_failures_are_found(gan, signs, logs, kind, severity, saw):
    found = diagnose(chart(gan, signs, logs))
    assert [(finding.kind, finding.severity) for finding in found] == [(kind, severity)]
    assert saw in found[0].saw
    assert found[0].step == 1_500
    assert found[0].why.endswith(".")
    assert "`--train." in found[0].change
    assert "\n" not in str(found[0])


def test_changes_are_options_that_the_model_takes(gan):
    change = diagnose(chart(gan, {"groups": 2.0}))[0].change
    assert "`--model.instance_noise 0.6`" in change  # it has 0.3
    assert "`--train.lr 0.0005`" in change
    assert "--model." not in diagnose(chart(Norms(), {"groups": 2.0}))[0].change


def test_advice_is_made_from_the_settings(gan):
    vanished = chart(gan, {"gradient/generator": 1e-9}, WON)
    assert gan.settings.objective == "non-saturating"
    assert "objective" not in diagnose(vanished)[0].change
    fast = replace(vanished, train=Train(lr=0.5, steps=2_000))
    assert "Make its task harder or its steps smaller: `--train.lr 0.001` or" in diagnose(fast)[0].change


def test_numbers_of_findings_are_numbers(gan):
    (found,) = diagnose(chart(gan, {"missing": 3.0, "twins": 0.01}))
    assert found.signs == (
        Sign("missing", {"missing": 3.0, "total": 10.0, "kinds": "classes"}), Sign("near-duplicates", {"times": 0.01})
    )  # fmt: skip
    assert found.saw == "3 of 10 classes have no sample; samples lie 0.01 times as far from each other as data"
    assert found.changes == (Change("model.instance_noise", 0.6), Change("train.lr", 0.0005))


def test_a_finding_is_read_as_it_was_written(gan):
    parts = {"generator": {"lr": 2e-3}, "discriminator": {"lr": 1e-3}}
    wild = replace(chart(gan, {"gain/generator": 90.0}), train=Train(parts=parts))
    for found in (*diagnose(wild), *(one for case in PLANTED for one in diagnose(chart(gan, *case[:2])))):
        row = parse_json(dumps({"step": found.step, "finding": found.to_dict()}), EVENT)["finding"]
        again = Finding.of(row)
        assert json.loads(dumps(again.to_dict())) == row
        assert (again.signs, str(again)) == (found.signs, str(found))


@pytest.mark.parametrize("signs", [
    [], [{"name": "no such", "values": {}}], [{"name": "few-groups", "values": {"groups": "many"}}],
    [{"name": "few-groups", "values": {"groups": None, "data": 1}}],
])  # fmt: skip
def test_what_cannot_be_said_of_numbers_is_said_as_it_was(signs):
    row = {"kind": "blur", "severity": "warning", "step": 4, "saw": "all {grey}", "why": "b", "change": "c"}
    assert Finding.of({**row, "signs": signs}).saw == "all {grey}"
    assert Finding.of(row).saw == "all {grey}"


def advised(model):
    """All changes of all findings that are planted in charts of the model."""
    late = [{"near": 9.0, "scale": 1.0}, {"kept": 0.01, "active": 0.6}, {"sharp": 0.5}, {"sharp": 3.0}]
    charts = [chart(model, signs, logs) for signs, logs, *_ in PLANTED]
    charts += [chart(model, signs, complete=True) for signs in late]
    found = [finding for one in charts for finding in diagnose(one)]
    assert {finding.kind for finding in found} == {*prose.WHY} == {*prose.ADVICE}
    found.append(rules.not_finite("loss", 1, Train(precision="bf16")))
    return [change for finding in found for one in finding.changes for change in (one, *one.together)]


CONVOLUTIONAL = [name for name, cls in catalogue.models().items() if isinstance(groups(cls).get("nets"), ConvPlayers)]


def convolutional(name, **settings):
    """The model of settings as `train` makes it, small, on data that have all that it may ask for."""
    config = catalogue.configure(
        catalogue.Recipe(name, "", {"model": {"name": name}}),
        {"model": {"width": 2, "discriminator_width": 2, "noise_dim": 2, **settings}},
    )
    words = {"vocabulary": ("a",), "max_tokens": 1} if name == "text2image" else {"classes": 10}
    return catalogue.model_class(name)(Spec((1, 32, 32), **words), **config.arguments)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_dropout_is_advised_to_convolutions_as_one_rate_and_not_where_they_drop_as_much(name):
    for rate, advised in ((0.1, True), (0.25, False)):
        change = diagnose(chart(convolutional(name, dropout=rate), {}, WON))[0].change
        assert ("`--model.dropout 0.2`" in change) == advised
        assert change.count("dropout") == advised
    assert Chart([], Train(), convolutional(name, width=4)).setting("width", 0) == 4


@pytest.mark.parametrize("name", ["gan", "vae", "sngan", *CONVOLUTIONAL])
def test_what_is_advised_is_a_setting_of_the_recipe_and_a_value_that_it_takes(name, gan):
    """As text, from a command line, and as a value, from a program."""
    recipe = catalogue.Recipe(name, "", {"model": {"name": name}})
    spec = Spec((1, 8, 8))
    of_own = {"gan": lambda: gan, "vae": lambda: catalogue.model_class("vae")(Spec((1, 8, 8), "binary")),
              "sngan": lambda: catalogue.model_class("sngan")(spec, 4, 4)}  # fmt: skip
    changes = {change.setting: change for change in advised(of_own.get(name, partial(convolutional, name))())}
    assert {"train.lr", "train.steps", "train.clip_grad_norm", "train.precision"} <= changes.keys()
    assert any(setting.startswith("model.") for setting in changes)
    for change in changes.values():
        typed, text = ({change.setting: value} for value in (change.value, prose.value(change.value)))
        configs = [catalogue.configure(recipe, nest(layer)) for layer in (typed, text)]
        assert configs[0] == configs[1]
        held = dict(flatten(configs[0].to_dict()))[change.setting]
        assert prose.value(held) == prose.value(change.value)
        Stepper(of_own.get(name, partial(convolutional, name))(), configs[0].train, Processes())


def test_dropout_is_advised_to_perceptrons_as_two_rates_and_to_others_not_at_all(gan):
    assert "`--model.dropout 0.2,0.5`" in diagnose(chart(gan, {}, WON))[0].change
    dropping = flat(
        catalogue.model_class("gan"), Spec((1, 8, 8)), hidden=(8,), discriminator_hidden=(8,), dropout=(0.3, 0.5)
    )
    assert "dropout" not in diagnose(chart(dropping, {}, WON))[0].change
    assert "dropout" not in diagnose(chart(catalogue.model_class("sngan")(Spec((1, 8, 8)), 4, 4), {}, WON))[0].change


def test_what_is_already_so_is_not_advised(gan):
    dead = {"dead/generator.body.hidden.1": 0.9}
    assert gan.nets.norm == "batch"
    change = diagnose(chart(gan, dead))[0].change
    assert "model.norm" not in change
    assert "`--model.activation leaky-relu`" in change
    leaky = flat(
        catalogue.model_class("gan"),
        Spec((1, 8, 8)),
        hidden=(8,),
        activation="leaky-relu",
        norm="none",
        discriminator_hidden=(8,),
    )
    change = diagnose(chart(leaky, dead))[0].change
    assert "model.activation" not in change
    assert "`--model.norm batch`" in change


def test_a_learning_rate_far_too_high_is_lowered_to_a_usual_one(gan):
    wild = chart(gan, {"gain/generator": 90.0, "gain/discriminator": 70.0})
    for lr, parts, says in [
        (1e3, {}, "`--train.lr 0.001` or `--train.clip_grad_norm 1`."),
        (1e-3, {"generator": {"lr": 2e-3}}, "`--train.lr 0.0001` with `--train.parts.generator.lr 0.0002` or"),
        (1e-3, {"generator": {"optimizer": "sgd", "lr": 50}}, "`--train.parts.generator.lr 0.1`"),
    ]:
        (found,) = diagnose(replace(wild, train=Train(lr=lr, parts=parts)))
        assert says in found.change
        assert found.saw.count("signals") == 1
    (found,) = diagnose(replace(wild, train=Train(clip_grad_norm=1.0)))
    assert "clip" not in found.change


def test_fp32_is_no_advice_where_it_is_used():
    assert "fp32" not in rules.not_finite("loss", 1, Train()).change
    assert "`--train.precision fp32`" in rules.not_finite("loss", 1, Train(precision="bf16")).change


def test_samples_are_judged_by_two_examinations(gan):
    assert diagnose(chart(gan, {"groups": 2.0}, examined=[1_500])) == []
    assert diagnose(chart(gan, {"groups": 2.0}, examined=[1_500], complete=True)) != []
    assert diagnose(chart(gan, {"groups": 2.0}, examined=[1_500], patience=1)) != []


def test_young_models_are_not_judged(gan):
    assert diagnose(chart(gan, {"groups": 2.0, "copies": 1.0}, steps=100_000, complete=True)) == []
    assert chart(gan, steps=100_000).young


def test_a_game_that_is_won_now_and_then_is_left_in_peace(gan):
    logged = chart(gan, {}, WON)
    rows = [{**row, **LOGS} if row["step"] == 1_400 and "doctor/groups" not in row else row for row in logged.rows]
    assert diagnose(replace(logged, rows=rows)) == []


def test_what_follows_from_another_finding_is_left_out(gan):
    everything = {"groups": 1.0, "active": 0.0, "dead/generator.body.hidden.1": 0.9}
    assert [finding.kind for finding in diagnose(chart(gan, everything))] == ["posterior-collapse"]
    assert [f.kind for f in diagnose(chart(gan, {**everything, "gain/generator": 99.0}))] == ["divergence"]


def test_in_the_plane_nearness_is_no_memorization(gan):
    assert diagnose(chart(gan, {"copies": 0.6, "copies-data": 0.3})) == []


def test_losses_that_fall_or_tremble_have_not_exploded():
    assert list(rules._exploded("loss", [100.0 / i for i in range(1, 40)])) == []
    assert list(rules._exploded("loss", [1.0 + 0.1 * (-1) ** i for i in range(40)])) == []
    assert list(rules._exploded("loss", [-90.0 + i for i in range(40)])) == []
    assert list(rules._exploded("loss", [1.0] * 20 + [10.0**i for i in range(2, 6)])) != []


def failing(*steps):
    """Findings that are planted at steps of training as fast as at first."""

    def findings(doctor, complete=False):
        step, fresh = doctor.rows[-1]["step"], doctor.train.lr == 0.1
        signs, changes = (Sign("said", {"text": "all alike"}),), (Change("train.lr", 1),)
        found = Finding("mode-collapse", "failure", step, signs, changes)
        return [found] if step in steps and fresh else []

    return findings


def settings(**given):
    return Train(**{
        "steps": 10, "batch_size": 8, "save_every": 2, "log_every": 1, "tensorboard": False, "lr": 0.1,
        "keep_checkpoints": 10,
        "parts": {"b": {"ema": 0.5}}, **given,
    })  # fmt: skip


def trained(folder, train, resume=False):
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    fit(folder, Norms(), Points(), train, resume=resume, display=Display(progress=False))
    return folder


def plant(monkeypatch, *steps):
    monkeypatch.setattr(Doctor, "findings", failing(*steps))
    monkeypatch.setattr(Doctor, "suspects", lambda doctor: bool(doctor.findings()))


def test_a_watched_run_goes_on_and_is_told_once(tmp_path, monkeypatch, capsys):
    plant(monkeypatch, 4, 6, 8)
    fit_folder = trained(tmp_path, settings())
    told = [event["finding"] for event in read_events(fit_folder) if "finding" in event]
    assert [(finding["kind"], finding["step"]) for finding in told] == [("mode-collapse", 4)]
    states = {path.name[-2:]: checkpoint.read_state(path)["healthy"] for path in checkpoint.checkpoints(tmp_path)}
    assert states == {"02": True, "04": False, "06": False, "08": False, "10": True}
    assert capsys.readouterr().err == ""


def test_a_stopped_run_keeps_its_checkpoints(tmp_path, monkeypatch):
    plant(monkeypatch, 6)
    says = r"at step 6: mode collapse; the last healthy checkpoint is step-00000004"
    with pytest.raises(UnhealthyError, match=says):
        trained(tmp_path, settings(doctor="stop", keep_checkpoints=1, milestones=False))
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000004", "step-00000006"]


def test_a_rollback_goes_on_from_the_healthy_checkpoint_with_half_the_rate(tmp_path, monkeypatch):
    plant(monkeypatch, 8)
    back = trained(tmp_path / "back", settings(doctor="rollback"))
    by_hand = trained(tmp_path / "hand", settings(steps=6))
    trained(by_hand, settings(lr=0.05), resume=True)
    for file in ("model.safetensors", "training.safetensors"):
        ours, theirs = ((checkpoint.newest(run) / file).read_bytes() for run in (back, by_hand))
        assert ours == theirs
    assert checkpoint.read_state(checkpoint.newest(back))["rollbacks"] == 1
    note = next(event for event in read_events(back) if "rollback" in event)
    assert (note["step"], note["rollback"]["from"], note["rollback"]["lr_times"]) == (6, 8, 0.5)
    assert note["rollback"]["because"] == "mode collapse"
    assert [event["step"] for event in read_events(back) if "a/loss" in event] == [*range(1, 11)]


@pytest.mark.parametrize("kept", [6, 8])
def test_a_run_killed_after_a_rollback_ends_as_if_it_had_not_been(tmp_path, monkeypatch, kept):
    plant(monkeypatch, 8)
    whole = trained(tmp_path / "whole", settings(doctor="rollback"))
    cut = trained(tmp_path / "cut", settings(doctor="rollback"))
    checkpoint.rewind(cut, cut / "checkpoints" / f"step-{kept:08d}", {})
    trained(cut, settings(doctor="rollback"), resume=True)
    same_end(whole, cut)


def test_a_run_that_fails_at_once_goes_back_to_the_start(tmp_path, monkeypatch):
    plant(monkeypatch, 2)
    back = trained(tmp_path / "back", settings(doctor="rollback"))
    assert [event["rollback"]["to"] for event in read_events(back) if "rollback" in event] == [0]
    slower = trained(tmp_path / "slower", settings(lr=0.05))
    ours, theirs = ((checkpoint.newest(run) / "training.safetensors").read_bytes() for run in (back, slower))
    assert ours == theirs


def test_a_failure_that_comes_back_ends_the_run(tmp_path, monkeypatch):
    always = lambda doctor, complete=False: (  # noqa: E731
        [Finding("divergence", "failure", doctor.rows[-1]["step"], ())] if doctor.rows[-1]["step"] == 6 else []
    )
    monkeypatch.setattr(Doctor, "findings", always)
    monkeypatch.setattr(Doctor, "suspects", lambda doctor: bool(doctor.findings()))
    with pytest.raises(UnhealthyError):
        trained(tmp_path, settings(doctor="rollback"))
    assert checkpoint.read_state(checkpoint.newest(tmp_path))["rollbacks"] == 3


def test_every_return_to_the_start_is_noted(tmp_path, monkeypatch):
    always = lambda doctor, complete=False: (  # noqa: E731
        [Finding("divergence", "failure", doctor.rows[-1]["step"], ())] if doctor.rows[-1]["step"] == 2 else []
    )
    monkeypatch.setattr(Doctor, "findings", always)
    monkeypatch.setattr(Doctor, "suspects", lambda doctor: bool(doctor.findings()))
    with pytest.raises(UnhealthyError):
        trained(tmp_path, settings(doctor="rollback"))
    notes = [event["rollback"] for event in read_events(tmp_path) if "rollback" in event]
    assert [note["lr_times"] for note in notes] == [0.5, 0.25, 0.125]


class Bursts(Norms):
    """Not finite at one step, however slowly it learns."""

    def updates(self, draw, clock):
        for update in super().updates(draw, clock):
            yield update._replace(loss=update.loss * (math.inf if clock.step == 6 else 1.0))


@pytest.mark.parametrize(("doctor", "rollbacks"), [("watch", 0), ("rollback", 3)])
def test_what_is_not_finite_is_a_finding_and_rolls_back(tmp_path, doctor, rollbacks):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(DivergedError, match="diverged at step"):
        fit(tmp_path, Bursts(), Points(), settings(doctor=doctor), display=Display(progress=False))
    assert checkpoint.read_state(checkpoint.newest(tmp_path))["rollbacks"] == rollbacks
    assert next(e["finding"]["kind"] for e in read_events(tmp_path) if "finding" in e) == "divergence"


def test_rates_are_halved_for_every_part():
    train = slowed(Train(lr=0.4, lr_final=0.2, parts={"a": {"lr": 0.8}, "b": {"ema": 0.5}}), 1)
    assert (train.of_part("a").lr, train.of_part("b").lr, train.of_part("b").lr_final) == (0.4, 0.2, 0.1)


def test_bad_input_that_shows_late_keeps_the_run(tmp_path, monkeypatch):
    def refuse(self, step):
        if step:
            raise ValueError("a picture cannot be read")

    monkeypatch.setattr("counterfeit.engine.fit.Trainer._picture", refuse)
    small = {"model": {"hidden": [8], "discriminator_hidden": [8]}, "train": {"steps": 2, "tensorboard": False}}
    with pytest.raises(ValueError, match="cannot be read"):
        cf.train("gan", out=tmp_path / "run", settings=small, show=False)
    assert (tmp_path / "run" / "run.yaml").is_file()


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A generator that hears no noise."""
    folder, patch = tmp_path_factory.mktemp("doctor") / "run", pytest.MonkeyPatch()
    game = catalogue.model_class("gan")
    prior = game.prior
    patch.setattr(game, "prior", lambda model, n, *rest: 0.001 * prior(model, n, *rest))
    train = {"steps": 400, "batch_size": 32, "save_every": 100, "tensorboard": False}
    small = {"model": {"hidden": [32], "norm": "none", "discriminator_hidden": [32], "noise_dim": 4}, "train": train}
    yield cf.train("gan", out=folder, settings=small, show=False)
    patch.undo()


def test_a_collapsed_run_is_found_while_it_trains_and_afterwards(collapsed):
    told = [event["finding"]["kind"] for event in collapsed.events if "finding" in event]
    found = collapsed.examine()
    assert told == ["mode-collapse"] == [finding.kind for finding in found.findings]
    logged = [event for event in collapsed.events if "doctor/groups" in event][-1]
    assert found.step == logged["step"] == 400
    assert {k: v for k, v in logged.items() if k != "step"} == pytest.approx(
        {f"doctor/{k}": v for k, v in found.measured.items()}, rel=1e-6
    )


def test_the_command_speaks_to_people_and_to_programs(collapsed, capsys):
    assert main(["doctor", str(collapsed.path)]) == 0
    text = capsys.readouterr().out
    assert "at step 400: 1 finding\n" in text
    assert "mode collapse (failure)\n  saw:    samples fall into" in text
    assert main(["doctor", str(collapsed.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["checkpoint"] == "step-00000400"
    assert {"kind", "severity", "saw", "why", "change"} <= set(found["findings"][0])
    assert found["findings"][0]["signs"][0]["values"]["groups"] == found["measured"]["groups"]
    assert {"setting": "train.lr", "value": 0.0005, "together": []} in found["findings"][0]["changes"]
    assert found["measured"]["groups"] < found["measured"]["groups-data"] / 3


def test_the_command_names_a_folder_that_is_no_run(tmp_path, capsys):
    assert main(["doctor", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_findings_are_told_on_standard_error_and_in_the_report(tmp_path, monkeypatch, capsys):
    plant(monkeypatch, 2)
    words = ["--train.lr", "0.1", "--train.steps", "4", "--train.save_every", "2", "--train.tensorboard", "false"]
    small = ["--model.hidden", "8", "--model.discriminator_hidden", "8", "--train.batch_size", "8"]
    run = str(tmp_path / "run")
    assert main(["train", "gan", "--out", run, "--no-evaluate", "--no-report", *words, *small]) == 0
    assert capsys.readouterr().err.startswith("doctor: mode collapse at step 2 (failure): all alike.")
    assert "<h2>Doctor</h2>" in page(cf.Run(run), [])
    assert "at step 2 (failure): all alike." in page(cf.Run(run), [])
    assert "or learn more slowly: <code>--train.lr 1</code>." in page(cf.Run(run), [])


def test_the_report_of_a_run_without_findings(tmp_path):
    small = {"model": {"hidden": [8], "discriminator_hidden": [8]}, "train": {"steps": 2, "tensorboard": False}}
    run = cf.train("gan", out=tmp_path / "run", settings=small, show=False)
    assert "Examined at 1 checkpoints; nothing was found." in page(run, [])
    assert run.examine().young


def test_codes_that_decode_to_one_picture_are_told_at_the_end():
    config = catalogue.configure(catalogue.recipe("vae"))
    source = catalogue.source(config.data)
    model = build(config, source, torch.device("cpu"))  # untrained: one gray picture, whatever the code
    known = reference(source, model.device, 0)
    measured = look_at_codes(model, known, 0)
    assert measured["kept"] < 0.1
    row = {"step": 300, **{f"doctor/{name}": value for name, value in (measured | {"active": 0.4}).items()}}
    (found,) = diagnose(Chart([row], Train(steps=300), model, complete=True))
    assert (found.kind, found.severity) == ("posterior-collapse", "warning")
    assert "of what held-out data vary by" in found.saw
    assert "--train.steps 1200" in found.change
    assert diagnose(Chart([row, row], Train(steps=300), model)) == []  # training begins there


def test_codes_that_say_all_explain_all():
    class Mirror(Model):
        def __init__(self, spec):
            super().__init__(spec)
            self.scale = nn.Parameter(torch.ones(()))

        def updates(self, draw, clock):
            return iter(())

        def encode(self, x):
            return x.flatten(1)

        def decode(self, z):
            return z.unflatten(1, self.spec.shape)

        def prior(self, n):
            return torch.rand(n, self.spec.dims)

        def elbo(self, x):
            return -x.flatten(1).sum(1)

        def iwae(self, x, k):
            return -x.flatten(1).sum(1)

    source = catalogue.source("digits")
    assert look_at_codes(Mirror(source.spec), reference(source, torch.device("cpu"), 0), 0)["kept"] == 1
