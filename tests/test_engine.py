"""The engine: schedules, parts, averages, checkpoints, events, signals and divergence."""

import dataclasses
import itertools
import json
import math
import re
import shutil
import signal
import threading
import time

import pytest
import torch
from torch import nn

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.catalogue import build
from counterfeit.common.progress import Bar
from counterfeit.config.nested import merge
from counterfeit.config.settings import OptimizerSettings, Train
from counterfeit.core import Batch, Clock, Model, Spec, Update
from counterfeit.data.source import Source
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.divergence import DivergedError
from counterfeit.engine.events import Events, Meter, Progress, read_events
from counterfeit.engine.fit import Display, Interrupted, Validator, fit
from counterfeit.engine.step import Stepper, learning_rate, limit, momentum
from counterfeit.nets.growing import EqualLinear
from counterfeit.nets.translation import DomainNorm
from counterfeit.run.run import Run, start


class Quadratic(Model):
    """Two parts, each descending half its squared distance to the batch's mean."""

    def __init__(self):
        super().__init__(Spec((2,), "real"))
        self.a, self.b = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        nn.init.ones_(self.a.weight)
        nn.init.ones_(self.b.weight)

    def updates(self, draw, clock):
        for name in ("a", "b"):
            weight = getattr(self, name).weight
            loss = 0.5 * (weight - draw().x.mean(0)).square().sum()
            yield Update(loss, (name,), {f"{name}/loss": loss.detach()})


def draw():
    return Batch(torch.zeros(4, 2))


def stepper(**settings):
    return Stepper(Quadratic(), Train(optimizer="sgd", **settings), Processes())


def test_sgd_step_by_hand():
    engine = stepper(lr=0.1)
    engine.step([draw], Clock(0, 10))
    assert torch.allclose(engine.model.a.weight, torch.tensor(0.9))


def test_schedules_follow_the_stage_that_an_update_belongs_to():
    class Staged(Quadratic):
        def updates(self, draw, clock):
            name = ("a", "b")[clock.stage(2)]
            yield next(u for u in super().updates(draw, clock) if u.parts == (name,)).during(clock.shared((1, 1))[1])

    engine = Stepper(Staged(), Train(optimizer="sgd", lr=0.1, schedule="linear"), Processes())
    weights = []
    for step in range(5):  # 3 steps of a, then 2 of b
        engine.step([draw], Clock(step, 5))
        weights.append((float(engine.model.a.weight[0, 0].detach()), float(engine.model.b.weight[0, 0].detach())))
    a, b = math.prod([0.9, 1 - 0.2 / 3, 1 - 0.1 / 3]), 0.9
    assert weights[2] == pytest.approx((a, 1.0))
    assert weights[3] == pytest.approx((a, b))
    assert weights[4] == pytest.approx((a, b * 0.95))


def test_each_part_has_its_own_rule():
    engine = stepper(lr=0.1, parts={"b": {"lr": 0.5}})
    engine.step([draw], Clock(0, 10))
    assert torch.allclose(engine.model.a.weight, torch.tensor(0.9))
    assert torch.allclose(engine.model.b.weight, torch.tensor(0.5))


def test_clipping_bounds_the_step():
    engine = stepper(lr=1.0, clip_grad_norm=0.1)
    before = engine.model.a.weight.clone()
    engine.step([draw], Clock(0, 10))
    assert math.isclose((engine.model.a.weight - before).norm().item(), 0.1, rel_tol=1e-4)


def test_max_norm_projects_incoming_weights():
    engine = stepper(lr=0.0, max_weight_norm=0.5)
    engine.step([draw], Clock(0, 10))
    assert math.isclose(engine.model.a.weight.norm().item(), 0.5, rel_tol=1e-4)


def rows(weight: torch.Tensor) -> torch.Tensor:
    """Norms of the units of a linear map, whose weight is (outputs, inputs)."""
    return weight.flatten(1).norm(dim=1)


@pytest.mark.parametrize(("layer", "units"), [
    (nn.Linear(6, 4), rows),
    (nn.Conv2d(6, 4, 3), rows),
    (nn.Conv2d(6, 4, 3, groups=2), rows),
    (nn.ConvTranspose2d(6, 4, 3), lambda w: rows(w.transpose(0, 1))),
    (nn.ConvTranspose2d(6, 4, 3, groups=2), lambda w: torch.cat([rows(g.transpose(0, 1)) for g in w.chunk(2)])),
    (nn.ConvTranspose1d(6, 4, 3), lambda w: rows(w.transpose(0, 1))),
    (EqualLinear(6, 4), lambda w: rows(w) * math.sqrt(2 / 6)),
])  # fmt: skip
def test_max_norm_is_of_all_that_comes_into_a_unit(layer, units):
    with torch.no_grad():
        layer.weight.copy_(torch.randn_like(layer.weight))
        long = units(layer.weight)
        limit(layer, float(long.median()))
    torch.testing.assert_close(units(layer.weight), long.clamp(max=float(long.median())))


def test_embeddings_gains_and_biases_have_no_largest_norm():
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4))
    net = nn.ModuleList([nn.Embedding(5, 4), DomainNorm(4, 3), nn.BatchNorm1d(4), nn.PReLU(4), spectral])
    before = [p.detach().clone() for p in net.parameters()]
    limit(net, 1e-3)
    assert all(torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_average_follows_only_its_part():
    engine = stepper(lr=0.1, parts={"a": {"ema": 0.5}})
    engine.step([draw], Clock(0, 10))
    expected = engine.model.a.weight[0, 0].detach().clone()  # the average starts at the first weights it sees
    for step in range(1, 5):
        engine.step([draw], Clock(step, 10))
        decay = min(0.5, (1 + step + 1) / (10 + step + 1))
        expected = torch.lerp(expected, engine.model.a.weight[0, 0].detach(), 1 - decay)
    assert torch.allclose(engine.average.model().a.weight, expected)
    assert torch.equal(engine.average.model().b.weight, engine.model.b.weight)
    assert not torch.equal(engine.average.model().a.weight, engine.model.a.weight)


class States(Quadratic):
    """Holds, beside weights, running statistics of a norm, an iterated vector and a memory."""

    def __init__(self):
        super().__init__()
        self.a = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))
        self.a.norm = nn.BatchNorm1d(4)
        self.a.register_buffer("memory", torch.zeros(3))

    def updates(self, draw, clock):
        self.a.memory.fill_(clock.step)
        yield Update(self.a.norm(self.a(torch.randn(8, 3))).square().sum() + self.a.weight.sum(), ("a",))


def test_average_follows_weights_and_running_statistics_and_copies_every_other_state():
    torch.manual_seed(0)
    engine = Stepper(States(), Train(lr=0.1, parts={"a": {"ema": 0.5}}), Processes())
    for step in range(6):
        engine.step([draw], Clock(step, 10))
    ours, theirs = engine.average.model().state_dict(), engine.model.state_dict()
    same = {name for name in theirs if torch.equal(ours[name], theirs[name])}
    iterated = {f"a.parametrizations.weight.0._{vector}" for vector in "uv"}
    assert same == {*iterated, "a.memory", "a.norm.num_batches_tracked", "b.weight"}


@pytest.mark.parametrize(
    ("rule", "step", "expected"),
    [
        (OptimizerSettings(lr=1.0), 99, 1.0),
        (OptimizerSettings(lr=1.0, warmup_steps=10), 4, 0.5),
        (OptimizerSettings(lr=1.0, schedule="linear"), 50, 0.5),
        (OptimizerSettings(lr=1.0, schedule="linear", lr_hold_fraction=0.5), 50, 1.0),
        (OptimizerSettings(lr=1.0, schedule="linear", lr_hold_fraction=0.5), 75, 0.5),
        (OptimizerSettings(lr=1.0, schedule="cosine"), 50, 0.5),
        (OptimizerSettings(lr=1.0, schedule="cosine", lr_final=0.2), 100, 0.2),
        (OptimizerSettings(lr=1.0, schedule="exponential", lr_decay_factor=2.0), 3, 0.125),
        (OptimizerSettings(lr=1.0, schedule="exponential", lr_decay_factor=2.0, lr_final=0.25), 3, 0.25),
    ],
)
def test_learning_rates(rule, step, expected):
    assert math.isclose(learning_rate(rule, Clock(step, 100)), expected, rel_tol=1e-6)


def test_momentum_rises_and_saturates():
    rule = OptimizerSettings(momentum=0.5, momentum_final=0.7, momentum_steps=100)
    assert [round(momentum(rule, Clock(s, 1000)), 3) for s in (0, 50, 100, 500)] == [0.5, 0.6, 0.7, 0.7]


def test_meter_averages_and_keeps_what_is_not_finite():
    meter = Meter()
    for value in (1.0, float("nan"), 3.0):
        meter.add({"x": torch.tensor(value), "y": torch.tensor(2.0)})
    taken = meter.take()
    assert math.isnan(taken["x"])
    assert taken["y"] == 2.0
    assert meter.take() == {}


def test_events_after_the_checkpoint_are_dropped(tmp_path):
    events = Events(tmp_path, 0, tensorboard=False)
    for step in (1, 2, 3):
        events.write(step, {"loss": step})
    events.close()
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')  # a kill in the middle of a line
    assert [e["step"] for e in read_events(tmp_path)] == [1, 2, 3]
    Events(tmp_path, 2, tensorboard=False).close()
    assert [e["step"] for e in read_events(tmp_path)] == [1, 2]


def test_events_of_the_start_are_kept_there(tmp_path):
    events = Events(tmp_path, 0, tensorboard=False)
    back = {"rollback": {"from": 3, "to": 0, "lr_times": 0.5, "because": "a loss is nan"}}
    events.note(0, back)
    events.write(1, {"loss": 1.0})
    events.close()
    Events(tmp_path, 0, tensorboard=False).close()
    assert read_events(tmp_path) == [{"step": 0, **back}]


def run_of(tmp_path, **train):
    settings = {"steps": 8, "batch_size": 8, "save_every": 2, "log_every": 2, "tensorboard": False, "milestones": False}
    settings |= train
    small = {"model": {"hidden": [8], "discriminator_hidden": [8], "noise_dim": 2}, "train": settings}
    return cf.train("gan", out=tmp_path / "run", settings=small, show=False)


def names(run):
    return [path.name for path in checkpoint.checkpoints(run.path)]


def test_newest_checkpoints_are_kept(tmp_path):
    assert names(run_of(tmp_path, keep_checkpoints=2)) == ["step-00000006", "step-00000008"]


def test_the_first_the_newest_and_powers_of_two_of_the_saves_are_kept(tmp_path):
    run = run_of(tmp_path, steps=22, save_every=2, milestones=True)
    assert [int(name[5:]) for name in names(run)] == [2, 4, 8, 16, 22]
    cf.resume(run.path, {"train.steps": 33}, show=False)
    assert [int(name[5:]) for name in names(run)] == [2, 4, 8, 16, 32, 33]


def test_commands_tell_how_a_run_went_on_with_other_settings(tmp_path):
    """Each time that it did, from which step; going on as it was leaves no trace, for it is the same run."""
    run = run_of(tmp_path, steps=8)
    cf.resume(run.path, {"train.steps": 10}, show=False)
    cf.resume(run.path, show=False)
    longer = cf.resume(run.path, {"train.steps": 14, "train.lr": 1e-4}, show=False)
    first, second, third = longer.commands
    assert first == f"{run.commands[0]} # stop it at step 8"
    assert "--train.steps 8" in first
    assert second == f"counterfeit resume {run.path} --train.steps 10 # stop it at step 10"
    assert third == f"counterfeit resume {run.path} --train.lr 0.0001 --train.steps 14"


def test_a_run_that_starts_anew_was_trained_by_its_new_settings_alone(tmp_path):
    run = run_of(tmp_path, steps=8)
    shutil.rmtree(run.path / "checkpoints")
    (run.path / "checkpoints").mkdir()
    again = Run(run.path).resume({"train.steps": 4}, show=False, anew=True)
    assert len(again.commands) == 1
    assert "--train.steps 4" in again.commands[0]


def test_best_checkpoint_is_kept_and_loaded(tmp_path):
    run = run_of(tmp_path, monitor="parzen", monitor_samples=20)
    scores = {e["step"]: e["valid/parzen"] for e in run.events if "valid/parzen" in e}
    best = max(scores, key=scores.get)
    assert set(names(run)) == {f"step-{best:08d}", "step-00000008"}
    assert cf.Run(run.path).checkpoint.name == f"step-{best:08d}"
    assert cf.Run(run.path, "newest").checkpoint.name == "step-00000008"
    assert cf.Run(run.path, 8).checkpoint.name == "step-00000008"


def test_missing_checkpoint_names_those_there_are(tmp_path):
    run = run_of(tmp_path)
    with pytest.raises(ValueError, match=r"no checkpoint of step 3; it has 8\."):
        cf.Run(run.path, 3).model  # noqa: B018


@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors", "state.json"])
def test_truncated_checkpoint_is_one_clear_line_and_is_left_alone(tmp_path, file):
    run = run_of(tmp_path, keep_checkpoints=2)
    damaged = checkpoint.newest(run.path) / file
    content = damaged.read_bytes()[:20]
    damaged.write_bytes(content)
    with pytest.raises(
        checkpoint.DamagedError, match=r"cannot be read .* Remove step-00000008 and use step-00000006\."
    ) as e:
        cf.resume(run.path, {"train.steps": 10}, show=False)
    assert "\n" not in str(e.value)
    assert damaged.read_bytes() == content


@pytest.mark.parametrize("content", ["[]", "{}", '{"step": 8}'])
def test_a_state_that_lacks_something_is_damaged(tmp_path, content):
    run = run_of(tmp_path)
    (checkpoint.newest(run.path) / "state.json").write_text(content)
    with pytest.raises(checkpoint.DamagedError, match=r"state\.json cannot be read"):
        cf.resume(run.path, show=False)


def test_full_disk_keeps_earlier_checkpoints(tmp_path, monkeypatch):
    run = run_of(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "encode", full)
    with pytest.raises(OSError, match=r"No space left on device.*earlier checkpoints are kept"):
        cf.resume(run.path, {"train.steps": 12}, show=False)
    assert names(run) == ["step-00000008"]
    assert not list((run.path / "checkpoints").glob(".partial*"))


def test_a_full_disk_names_the_file_of_events(tmp_path):
    events = Events(tmp_path, 0, tensorboard=False)
    events.close()
    events.file = open("/dev/full", "w", buffering=1)  # noqa: SIM115
    with pytest.raises(OSError, match=r"events\.jsonl could not be written \(No space left on device\)"):
        events.write(1, {"loss": 1.0})
    with pytest.raises(OSError, match="No space"):
        events.file.close()


def patient(tmp_path, values, **settings):
    """Train with those values of validation, one a save at every second step; returns where it stopped."""
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    rest = iter(values)
    chooses = Validator(lambda _: next(rest), "higher")
    train = Train(
        batch_size=4, save_every=2, log_every=2, tensorboard=False, monitor="parzen",
        **{"steps": 20, "patience": 3, "lr": 0.01, "milestones": False, **settings},
    )  # fmt: skip
    return fit(tmp_path, Quadratic(), Points(), train, chooses, resume=True, display=Display(progress=False))


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([1, 2, 3, 3, 2, 3, 9], 12),  # the third is the best; an equal one is no gain
        ([1, 2, 1, 1, 3, 1, 1, 1, 9], 16),  # a gain starts the count again
        ([math.nan] * 9, 6),  # what is no number is no gain
        ([1, math.nan, math.nan, 2, 1, 1, 1], 14),
        ([*range(10)], 20),
    ],
)
def test_training_ends_after_validations_without_gain_and_keeps_the_best(tmp_path, values, stops):
    assert patient(tmp_path, values).steps == stops
    scores = values[: stops // 2]
    best = max((v for v in scores if not math.isnan(v)), default=None)
    expected = stops if best is None else 2 * max(i + 1 for i, score in enumerate(scores) if score == best)
    assert checkpoint.best(tmp_path).name == f"step-{expected:08d}"
    early = [event for event in read_events(tmp_path) if "early" in event]
    assert [event["step"] for event in early] == ([stops] if stops < 20 else [])


def test_without_patience_training_goes_to_its_end(tmp_path):
    assert patient(tmp_path, [3, *[1] * 9], patience=None).steps == 20


def test_a_run_that_ended_early_goes_on_only_with_more_patience(tmp_path):
    assert patient(tmp_path, [2, 1, 1, 1]).steps == 8
    ended = patient(tmp_path, [])
    assert (ended.trained, ended.steps) == (0, 8)
    assert patient(tmp_path, [1, 3, 1, 1, 1, 1], patience=5).steps == 20
    assert checkpoint.best(tmp_path).name == "step-00000012"


def test_patience_counts_over_sittings(tmp_path):
    assert patient(tmp_path, [2, 1, 1], steps=6).steps == 6
    assert patient(tmp_path, [1, 9]).steps == 8


def test_patience_asks_for_a_metric(tmp_path):
    with pytest.raises(ValueError, match=r"train\.patience came without train\.monitor"):
        run_of(tmp_path, patience=2)
    with pytest.raises(ValueError, match=r"train\.patience: 0 came; at least 1"):
        run_of(tmp_path, patience=0, monitor="parzen")


class Diverges(Quadratic):
    def updates(self, draw, clock):
        for update in super().updates(draw, clock):
            yield update._replace(loss=update.loss * (float("nan") if clock.step >= 5 else 1.0))


class Points(Source):
    name, summary, spec, fingerprint = "points", "", Spec((2,), "real"), ""

    def split(self, _):
        from counterfeit.data.source import InMemory

        return InMemory(torch.zeros(16, 2))


def test_divergence_keeps_the_last_good_checkpoint(tmp_path):
    train = Train(
        steps=20, batch_size=4, save_every=2, log_every=2, tensorboard=False, optimizer="sgd", lr=0.1, milestones=False
    )  # fmt: skip
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(DivergedError, match=r"diverged at step 6: .* the last good checkpoint is step-00000004"):
        fit(tmp_path, Diverges(), Points(), train, display=Display(progress=False))
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == ["step-00000004"]


class Log(nn.Module):
    def forward(self, x):
        return x.log()


class Sinks(Model):
    """Descends log w until w is negative."""

    kinds = ("real",)

    def __init__(self, spec):
        super().__init__(spec)
        self.net = nn.Sequential(nn.Linear(1, 1, bias=False), Log())
        nn.init.ones_(self.net[0].weight)

    def updates(self, draw, clock):
        yield Update.of("net", {"loss": self.net(draw().x[:, :1] * 0 + 1).mean()})


LOG = "; it began at step {} with the output of net.1 (Log);"


@pytest.mark.parametrize(("save_every", "where"), [(4, LOG), (50, ";")])
def test_divergence_says_the_step_and_the_layer_where_it_began(tmp_path, save_every, where):
    w, first = 1.0, 1
    while w > 0:  # by hand: w after so many steps of plain gradient descent
        w, first = w - 0.1 / w, first + 1
    train = Train(
        steps=100, batch_size=4, save_every=save_every, log_every=10, tensorboard=False, optimizer="sgd", lr=0.1
    )  # fmt: skip
    (tmp_path / "checkpoints").mkdir()
    said = re.escape(f"diverged at step 10: net/loss is nan{where.format(first)}")
    with pytest.raises(DivergedError, match=said):
        fit(tmp_path, Sinks(Spec((2,), "real")), Points(), train, display=Display(progress=False))
    assert first < 10


def test_divergence_names_the_gradient_where_no_layer_is_to_blame(tmp_path):
    train = Train(steps=20, batch_size=4, save_every=2, log_every=8, tensorboard=False, optimizer="sgd", lr=0.1)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(DivergedError, match="it began at step 6 with the gradient of "):
        fit(tmp_path, Diverges(), Points(), train, display=Display(progress=False))


class Slow(Quadratic):
    def updates(self, draw, clock):
        time.sleep(0.02)
        yield from super().updates(draw, clock)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_at_once_and_say_how_to_go_on(tmp_path, number, status):
    """Validation may take minutes, and whoever sends a signal waits for seconds at most."""
    (tmp_path / "checkpoints").mkdir()
    train = Train(steps=1_000, batch_size=4, save_every=1_000, tensorboard=False, optimizer="sgd", lr=0.1)
    timer, asked = threading.Timer(0.3, signal.raise_signal, [number]), []
    validator = Validator(lambda model: asked.append(model) or 1.0, "higher")
    timer.start()
    with pytest.raises(Interrupted) as stop:
        fit(tmp_path, Slow(), Points(), train, validator, Processes(), display=Display(progress=False))
    assert stop.value.status == status
    state = json.loads((checkpoint.newest(tmp_path) / "state.json").read_text())
    assert 0 < state["step"] < 1_000
    assert state["score"] is None
    assert not asked


def test_resume_refuses_other_data(tmp_path):
    run = run_of(tmp_path)
    file = run.path / "run.yaml"
    file.write_text(file.read_text().replace(run.description["source"]["fingerprint"], "f" * 16))
    with pytest.raises(ValueError, match="was trained on ffffffffffffffff"):
        cf.resume(run.path, {"train.steps": 10}, show=False)


def test_training_longer_goes_on(tmp_path):
    run = run_of(tmp_path)
    longer = cf.resume(run.path, {"train.steps": 10}, show=False)
    assert longer.state["step"] == 10
    assert longer.config.train.steps == 10
    assert longer.events[-1]["step"] == 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError])
def test_what_was_learnt_is_kept_where_its_validation_fails(tmp_path, error):
    def fails(_):
        raise error("no")

    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(error):
        fit(
            tmp_path,
            Quadratic(),
            Points(),
            Train(steps=8, save_every=4, batch_size=4),
            Validator(fails, "higher"),
            display=Display(progress=False),
        )
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000004"]


@pytest.mark.parametrize(("recipe", "settings", "name"), [
    ("gan", {"model": {"objective": "feature-matching"}}, "model.objective"),
    ("dcgan", {"model": {"penalty": "dragan"}}, "model.penalty"),
    ("semi-supervised-gan", {}, "model.objective, model.iic_weight"),
    ("infogan", {}, "model.iic_weight"),
    ("bigan", {}, "model.iic_weight"),
    ("text2image", {"model": {"crossing": 1.0}}, "model.mismatch, model.crossing"),
])  # fmt: skip
def test_a_loss_of_a_whole_minibatch_is_not_descended_in_pieces(recipe, settings, name, tmp_path):
    """Of the features of halves, say, ‖E f(x) - E f(G(z))‖² has another mean than that of the whole."""
    chosen = catalogue.recipe(recipe)
    config = catalogue.configure(chosen, merge(merge(chosen.smoke, settings), {"train": {"micro_batches": 2}}))
    with pytest.raises(ValueError, match=rf"train.micro_batches: 2 pieces .* {recipe} expects 1, .* by {name} is "):
        start(chosen, config, tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()


def test_losses_that_are_means_are_descended_in_pieces():
    for name in ("gan", "wgan-gp", "cgan", "acgan", "cyclegan", "stargan", "inpainting-gan", "vae"):
        chosen = catalogue.recipe(name)
        config = catalogue.configure(chosen, chosen.smoke)
        assert build(config, catalogue.source(config.data), torch.device("cpu")).undivided == ()


def unsaved(tmp_path):
    """A run that was killed before its first checkpoint."""
    run = run_of(tmp_path)
    for path in checkpoint.checkpoints(run.path):
        checkpoint._remove(path)
    return cf.Run(run.path)


def test_a_run_without_checkpoints_is_trained_from_the_start_only_where_that_is_asked(tmp_path):
    run = unsaved(tmp_path)
    with pytest.raises(ValueError, match=r"holds no checkpoint yet\. .* `counterfeit resume .*run --anew` trains it"):
        cf.resume(run.path, show=False)
    assert names(run) == []
    assert names(cf.resume(run.path, show=False, anew=True)) == ["step-00000008"]


def test_what_was_trained_is_not_lost_by_starting_anew(tmp_path):
    run = run_of(tmp_path)
    with pytest.raises(ValueError, match=r"stands at step 8, which would be lost\..*counterfeit train .*run\.yaml"):
        cf.resume(run.path, show=False, anew=True)
    assert names(run) == ["step-00000008"]


def test_sampling_before_the_first_save_says_what_to_wait_for(tmp_path):
    with pytest.raises(ValueError, match=r"holds no checkpoint yet\. While it trains, wait for the first"):
        unsaved(tmp_path).sample(2)


def test_training_says_what_was_done_in_this_sitting_and_in_all(tmp_path):
    run = run_of(tmp_path)
    for steps, expected in ((10, (2, 10)), (10, (0, 10))):
        summary = run.proceed({"train.steps": steps}, show=False)[1]
        assert (summary.trained, summary.steps) == expected


def again(run, out, **settings):
    """Train by the run.yaml of a run."""
    return cf.train(str(run.path / "run.yaml"), out=out, settings=settings, show=False)


def test_a_run_trains_the_same_again_from_its_description_to_the_bit(tmp_path):
    first = run_of(tmp_path, seed=3)
    second = again(first, tmp_path / "again")
    assert second.config.recipe == "gan"
    assert second.config == dataclasses.replace(
        first.config, train=dataclasses.replace(first.config.train, threads=first.threads)
    )
    for file in ("model.safetensors", "training.safetensors"):
        assert (first.checkpoint / file).read_bytes() == (second.checkpoint / file).read_bytes()
    assert second.description["targets"] == first.description["targets"]


def test_a_run_of_data_from_python_trains_the_same_again_from_the_data_that_it_keeps(tmp_path):
    pictures = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"steps": 2, "batch_size": 8, "save_every": 2, "tensorboard": False}
    first = cf.train("gan", pictures, tmp_path / "first", settings={"train": settings}, show=False)
    second = again(first, tmp_path / "second")
    shutil.rmtree(first.path)
    assert second.source.fingerprint == first.source.fingerprint
    assert cf.Run(second.path).sample(2).shape == (2, 1, 8, 8)


def test_a_run_of_other_data_is_not_the_same_again_unless_other_data_are_asked_for(tmp_path):
    first = run_of(tmp_path)
    file = first.path / "run.yaml"
    file.write_text(file.read_text().replace(first.description["source"]["fingerprint"], "f" * 16))
    with pytest.raises(ValueError, match="was trained on ffffffffffffffff"):
        again(first, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert again(first, tmp_path / "other", data={"transforms": ["binarize"]}).state["step"] == 8


def test_a_run_folder_in_place_of_a_recipe_says_both_ways(tmp_path):
    run = run_of(tmp_path)
    with pytest.raises(ValueError, match=r"is a run folder; .*`counterfeit resume .*`counterfeit train .*run\.yaml`"):
        cf.train(str(run.path), show=False)


@pytest.fixture
def hours(monkeypatch, capsys):
    """A clock that goes on by 25 seconds whenever it is looked at; gives the lines that were said since."""
    from counterfeit.common import progress

    ticks = itertools.count(0, 25.0)
    monkeypatch.setattr(progress, "clock", lambda: next(ticks))
    return lambda: capsys.readouterr().err.splitlines()


def test_progress_says_a_line_a_minute_where_there_is_no_terminal(hours):
    bar = Progress("run", 0, 100, 8, show=True)
    for step in range(10, 101, 10):
        bar.update(step, {"generator/loss": 0.5, "grad": 2.0})
    lines = hours()
    assert [line.partition(",")[0] for line in lines] == [f"run: step {step} of 100" for step in (30, 50, 70, 90)]
    assert re.match(r"run: step 30 of 100, 5 min left, .* steps/s .* images/s  G 0\.5$", lines[0])


def test_progress_says_nothing_where_nobody_wants_to_see_it(hours):
    bar = Progress("run", 0, 100, 8, show=False)
    for step in range(10, 101, 10):
        bar.update(step, {})
    assert hours() == []


def test_downloads_say_a_line_a_minute_where_there_is_no_terminal(hours):
    with Bar("mnist", unit="bytes") as bar:
        bar.update(0)
        bar.total = 60_000_000
        for _ in range(6):
            bar.update(10_000_000)
    left = {20: "4 min", 40: "2 min", 60: "0 s"}
    assert hours() == [f"mnist: {done} of 60 MB, {time} left" for done, time in left.items()]


def test_tensorboard_gets_grids_validation_and_settings(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = run_of(tmp_path, tensorboard=True, monitor="parzen", monitor_samples=20, steps=4)
    board = EventAccumulator(str(run.path / "tensorboard"), {"images": 0, "scalars": 0})
    board.Reload()
    assert [event.step for event in board.Images("samples")] == [0, 2, 4]
    assert {"valid/parzen", "generator/loss"} <= set(board.Tags()["scalars"])
    content = board.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"train.batch_size" in content
    assert b"model.noise_dim" in content


def test_a_lower_number_scores_higher_where_lower_is_better():
    assert Validator(lambda _: 3.0, "lower").score(3.0) == -3.0 < Validator(lambda _: 3.0, "lower").score(2.0)
    assert Validator(lambda _: 3.0, "higher").score(3.0) == 3.0
