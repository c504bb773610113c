"""Benchmarks: recipes that suit data, time as steps, results that are kept, repeated and told in words."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.benchmarking import benchmark as module
from counterfeit.benchmarking import entry as entries
from counterfeit.benchmarking import plan as planning
from counterfeit.benchmarking.advice import advice
from counterfeit.benchmarking.benchmark import benchmark
from counterfeit.benchmarking.candidates import _nearest, candidates, configured
from counterfeit.benchmarking.order import Entry, seconds
from counterfeit.benchmarking.result import Benchmark, Row, opened
from counterfeit.benchmarking.table import likelihood, table
from counterfeit.cli import main
from counterfeit.core import Clock
from counterfeit.engine.checkpoint import read_weights
from counterfeit.engine.step import learning_rate
from counterfeit.metrics.base import Result

SMALL = {
    "evaluate.samples": 40, "evaluate.max_examples": 40, "evaluate.metrics": ["fid", "prdc", "log-likelihood", "elbo"],
    "evaluate.importance_samples": 2,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 m ", 120)])
def test_a_time_is_read(text, value):
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "-3", "ten", "10d", "1e3", "nan", "m", "0m"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="such as 90s, 10m"):
        seconds(text)


def test_recipes_of_the_nearest_shape_are_taken():
    names = {one.name for one in _nearest((1, 28, 28))}
    assert names >= {"gan-mnist", "dcgan", "rbm-mnist", "diffusion-mnist", "nade-mnist", "spline-flow", "gsn-mnist"}
    assert not names & {"gan", "rbm", "diffusion", "gan-cifar10", "diffusion-cifar10", "classifier"}
    colored = {one.name for one in _nearest((3, 32, 32))}
    assert colored >= {"vae-cifar10", "diffusion-cifar10", "gated-pixelcnn-cifar10"}
    assert not colored & {"vae-mnist", "vae", "vae-olivetti"}


def test_data_decide_who_suits_and_how():
    source = catalogue.source("digits").raw
    settings = {"data": {"name": "digits"}}
    found, refused = candidates(settings, source)
    names = {one.recipe.name for one in found}
    assert names >= {"gan", "cgan", "rbm", "vae", "diffusion", "spline-flow", "independent"}
    assert "captions" in refused["text2image"]
    assert "tokens" in refused["sentence-rnn"]
    assert not any("\n" in why for why in refused.values())
    # models of bits are given bits, all others the data as they are; nobody keeps a size or a way to measure of its own
    recipe = catalogue.recipe
    assert configured(recipe("rbm"), settings, source).data.transforms == ("binarize",)
    assert configured(recipe("independent"), settings, source).data.size is None
    assert configured(recipe("gan"), settings, source).data == configured(recipe("aae"), settings, source).data
    assert len({configured(one.recipe, settings, source).evaluate for one in found}) == 1
    only, _ = candidates(settings, source, only=["energy"])
    assert {one.family for one in only} == {"energy"}
    with pytest.raises(ValueError, match="family 'enery' is unknown; did you mean 'energy'"):
        candidates(settings, source, only=["enery"])
    with pytest.raises(ValueError, match=r"no recipe suits digits: sentence-rnn: .*tokens"):
        candidates(settings, source, ["sentence-rnn"])


def test_schedules_are_stretched_with_the_steps():
    train = catalogue.configure(catalogue.recipe("gan-mnist-2014")).train
    own = replace(train, warmup_steps=400, parts={"generator": {"warmup_steps": 100, "lr": 1.0}})
    for steps in (train.steps // 100, 3 * train.steps):
        new = planning._of_steps(own, steps, saves=8)
        assert math.ceil(steps / new.save_every) == 8
        assert new.parts["generator"] == {"warmup_steps": round(100 * steps / own.steps), "lr": 1.0}
        for share in (0.002, 0.3, 1.0):  # the same rate at the same share of training
            rates = [learning_rate(one, Clock(round(share * one.steps), one.steps)) for one in (own, new)]
            assert rates[0] == pytest.approx(rates[1], rel=0.02)


def test_a_plan_divides_the_time_between_steps_and_saves(monkeypatch):
    config = catalogue.configure(catalogue.recipe("vae"))
    source = catalogue.source("digits")

    def taken(step, save, start):
        def cost(one, _, train):
            every = one.train.monitor == train.monitor  # what is bare is not validated
            return start + step * train.steps + save * every

        return cost

    monkeypatch.setattr(planning, "_taken", taken(0.01, 0.5, 3.0))
    plan = planning.trial(config, source, 100.0)
    assert plan.step_seconds == pytest.approx(0.01)
    assert plan.save_seconds == pytest.approx(3.5)  # what starts a training counts, once too often
    assert plan.saves == 5  # a fifth of the time
    assert plan.steps == pytest.approx((100 - 5 * 3.5) / 0.01, abs=1)
    monkeypatch.setattr(planning, "_taken", taken(0.01, 1000.0, 3.0))  # saving takes longer than there is time
    assert (planning.trial(config, source, 100.0).steps, planning.trial(config, source, 100.0).saves) == (1, 1)
    monkeypatch.setattr(planning, "_taken", taken(1e-9, 0.0, 0.0))
    assert planning.trial(config, source, 1e5).steps == planning.MOST_STEPS
    assert planning.trial(catalogue.configure(catalogue.recipe("markov")), source, 100.0) == planning.Plan(1, 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A benchmark of four families in next to no time, from the command line."""
    out = tmp_path_factory.mktemp("benchmark") / "bench"
    options = [word for key, value in SMALL.items() for word in (f"--{key}", json.dumps(value).strip('"'))]
    words = ["--budget", "0.5s", "--out", str(out), "--recipes", "gan,vae,rbm,markov", *options]
    assert main(["benchmark", *words]) == 0
    return out


def test_all_are_measured_alike(made):
    found = opened(made / "benchmark.json")
    assert [row.entry.name for row in found.rows] == ["gan", "vae", "rbm", "markov"]
    assert [row.entry.family for row in found.rows] == ["adversarial", "autoencoding", "energy", "autoregressive"]
    assert [row.kind for row in found.rows] == ["image", "binary", "binary", "binary"]
    assert [row.failed for row in found.rows] == [""] * 4
    everyone = [*(row.results for row in found.rows), *found.references.values()]
    assert len({results["fid"].fingerprint for results in everyone}) == 1
    assert found.references["real data"]["fid"].value < min(row.results["fid"].value for row in found.rows)
    assert "log-likelihood" in found.rows[3].results
    assert "elbo" in found.rows[1].results
    for row in found.rows:
        assert row.cost["training steps"] == row.plan["steps"]
        assert row.curve[-1]["step"] == row.plan["steps"]
        assert row.curve[-1]["fid"] == row.results["fid"].value
    text = table(found)
    assert [row[0].text for row in text.rows[-2:]] == ["real data", "real data, binary"]
    page = (made / "benchmark.html").read_text(encoding="utf-8")
    for words in ("What to take for what", "gan", "real data, binary", "counterfeit train vae", "How fast they learn"):
        assert words in page
    assert (made / "figures" / "fid-over-time.svg").is_file()
    assert (made / "figures" / "rbm-samples.png").is_file()


def test_what_was_done_is_not_done_again(made, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("checkpoints/*/*")}
    order = json.loads((made / "order.json").read_text(encoding="utf-8"))
    again = benchmark("digits", order["budget"], made, ["gan", "vae", "rbm", "markov"], settings=SMALL)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("checkpoints/*/*")} == before
    assert "measuring" not in capsys.readouterr().err
    assert again.rows == opened(made / "benchmark.json").rows


def test_another_way_to_measure_measures_again_and_trains_nothing(made, tmp_path, capsys):
    copy = shutil.copytree(made, tmp_path / "bench")
    other = SMALL | {"evaluate.metrics": ["prdc", "nearest"]}
    found = benchmark("digits", "0.5s", copy, ["markov"], settings=other)
    said = capsys.readouterr().err
    assert "markov: measuring nearest" in said
    assert "training" not in said
    assert {"nearest", "precision"} <= {*found.rows[0].results}


def test_a_run_is_repeated_to_the_bit_by_its_command(made, tmp_path):
    row = next(row for row in opened(made / "benchmark.json").rows if row.entry.name == "vae")
    words = shlex.split(row.command)[1:]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    assert main([*words, "--no-evaluate", "--no-report"]) == 0
    ours, theirs = (read_weights(cf.Run(path, "newest").checkpoint) for path in (made / "vae", tmp_path / "again"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "soon"], "such as 90s, 10m"),
        (["--budget", "1m"], "Choose another --out"),
        (["--data", "two-moons"], "Choose another --out"),
        (["--seeds", "one"], "--seeds 'one' came"),
        (["--jobs", "0"], "--jobs 0 came"),
        (["--recipes", "gann"], "did you mean 'gan'"),
        (["--families", "adverserial"], "did you mean 'adversarial'"),
        (["--data", "nowhere/at-all"], "nowhere/at-all"),
        (["--metrics", "fid,fidd"], "metric 'fidd' is unknown; did you mean 'fid'"),
        (["--train.lrr", "3"], "train.lrr is no setting"),
        (["--record", "/proc/none/x.json"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(made, words, said, capsys):
    given = dict(zip(words[::2], words[1::2], strict=True))
    usual = {"--budget": "0.5s", "--out": str(made), "--recipes": "gan"} | given
    assert main(["benchmark", *(word for pair in usual.items() for word in pair)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert error[-1].startswith("counterfeit benchmark: error: ")


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="already holds something"):
        benchmark("digits", "1s", tmp_path, ["gan"])
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_plan_is_only_told(tmp_path, capsys):
    out = tmp_path / "bench"
    assert main(["benchmark", "--out", str(out), "--families", "flow,energy", "--plan"]) == 0
    said = capsys.readouterr()
    assert "spline-flow (flow)" in said.out
    assert "10.0 min each" in said.err
    assert not out.exists()


def test_what_fails_leaves_the_others(tmp_path, monkeypatch):
    out = tmp_path / "bench"
    real = entries.start

    def start(chosen, *rest):
        if chosen.name == "gan":
            raise ValueError("no luck\ntoday")
        return real(chosen, *rest)

    monkeypatch.setattr(entries, "start", start)
    found = benchmark("digits", "0.2s", out, ["gan", "markov"], settings=SMALL)
    assert [row.failed for row in found.rows] == ["no luck today", ""]
    assert any("gan: no luck today" in note for note in table(found).notes)
    monkeypatch.undo()  # what failed is tried again
    assert not any(row.failed for row in benchmark("digits", "0.2s", out, ["gan", "markov"], settings=SMALL).rows)


def test_a_stop_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "carry_out", stopped)
    assert main(["benchmark", "--budget", "1s", "--out", str(tmp_path / "bench"), "--recipes", "gan"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_jobs_and_seeds_change_no_result(made, tmp_path):
    """Two processes beside each other reach what one after the other reaches, where the plans are the same."""
    out = tmp_path / "bench"
    out.mkdir()
    for name in ("order", "references", "gan", "markov"):
        kept = json.loads((made / f"{name}.json").read_text(encoding="utf-8"))
        content = {"plan": kept["plan"]} if "plan" in kept else kept
        (out / f"{name}.json").write_text(json.dumps(content))
        (out / f"{name}-seed1.json").write_text(json.dumps(content))
    found = benchmark("digits", "0.5s", out, ["gan", "markov"], seeds=(0, 1), jobs=2, settings=SMALL)
    alone = {row.entry.name: row for row in opened(made / "benchmark.json").rows}
    rows = {row.entry.name: row for row in found.rows}
    assert [*rows] == ["gan", "markov", "gan-seed1", "markov-seed1"]
    assert rows["gan"].results["fid"] == alone["gan"].results["fid"]
    assert rows["gan"].results["fid"].value != rows["gan-seed1"].results["fid"].value
    text = table(found)
    assert "deviation between 2 seeds" in text.notes[0]
    assert [row[0].text for row in text.rows].count("gan") == 1


def test_pictures_of_ones_own(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for i, picture in enumerate(np.random.default_rng(0).integers(0, 256, (60, 20, 28, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(folder / f"{i}.png")
    found = benchmark(folder, "0.3s", tmp_path / "bench", ["gan", "vae", "cgan"], settings=SMALL)
    assert {row.entry.name for row in found.rows if row.results} >= {"gan", "vae"}
    assert "labels" in found.refused["cgan"] or "classes" in found.refused["cgan"]


def result(value, error=0.1, protocol="p", **details):
    return Result(value, error, 100, protocol, details)


def rows():
    """Made up: a GAN near the data and fast, a flow with the best density, a chain that draws slowly."""

    def row(name, family, model, kind, fid, draws, early, **more):
        results = {"fid": result(fid), "recall": result(1 - fid / 10, 0.01), **more}
        points = [{"step": 1, "seconds": 20.0, "fid": early}, {"step": 9, "seconds": 100.0, "fid": fid}]
        cost = {"sampling 1,000, s": draws, "training steps": 9, "training time, CPU s": 100.0}
        return Row(Entry(name, name, family, 0), model, kind, {"steps": 9}, results, {}, points, cost)

    return [
        row("gan", "adversarial", "gan", "image", 1.0, 0.01, 9.0),
        row("flow", "flow", "real-nvp", "image", 3.0, 0.5, 5.0, **{"bits-per-dim": result(1.5)}),
        row("vae", "autoencoding", "vae", "binary", 4.0, 0.02, 4.5, elbo=result(-90.0)),
        row("rbm", "energy", "rbm", "binary", 1.1, 60.0, 6.0, ais=result(-85.0)),
    ]


def test_advice_follows_from_the_numbers():
    found = Benchmark("made up", 100.0, rows(), {}, {}, "counterfeit benchmark", {})
    said = {one.purpose: one.text for one in advice(found)}
    assert said["Samples most like the data"] == "gan (adversarial), fid 1.00 ± 0.10; rbm cannot be told from it."
    assert said["Likelihood of gray or color pixels"] == "flow (flow), 1.500 bits/dim.".replace("1.500", "1.5")
    assert said["Likelihood of binary pixels"].startswith("rbm (energy), ≈ −85.00 ± 0.10 nats; next is vae with ≥ −90")
    assert "gan (adversarial) draws 1,000 in 0.01 s, rbm (energy) in 60 s" in said["Samples at once"]
    assert said["Little training"] == "vae (autoencoding) had a Fréchet distance of 4.5 after 20 s."
    assert said["Codes of examples"].index("rbm") < said["Codes of examples"].index("vae")
    far = [*rows()[:3], replace(rows()[3], results={"fid": result(9.0)})]
    said = {one.purpose: one.text for one in advice(replace(found, rows=far))}
    assert said["Samples most like the data"].endswith("next is flow (flow) with 3.00 ± 0.10.")
    assert advice(replace(found, rows=[])) == []


def test_the_likelihood_that_is_better_is_named_first_in_every_unit():
    def best(kind, **of):
        made = [Row(Entry(n, n, "family", 0), "vae", kind, {}, {m: result(v, **d)}) for n, (m, v, d) in of.items()]
        return {one.purpose: one.text for one in advice(Benchmark("made up", 1.0, made, {}, {}, "", {}))}

    tokens = best("tokens", long=("nats-per-token", 4.0, {}), short=("nats-per-token", 3.0, {}))
    assert tokens["Likelihood of tokens values"].startswith("short (family), 3.00")
    mixed = best("binary", far=("ais", -95.0, {"bits_per_dim": 0.2}), near=("log-likelihood", -85.0, {}))
    assert mixed["Likelihood of binary pixels"].startswith("near (family), −85.00")


def test_a_bound_and_an_estimate_are_told_from_what_is_exact():
    assert likelihood({"elbo": result(-90.0, bits_per_dim=2.0)}, "image") == ("≤ 2 bits/dim", "elbo")
    assert likelihood({"ais": result(-85.0)}, "binary") == ("≈ −85.00 ± 0.10 nats", "ais")
    assert likelihood({"log-likelihood": result(-1.0), "elbo": result(-2.0)}, "real")[0] == "−1.00 ± 0.10 nats"
    assert likelihood({}, "image") == ("–", "")


def test_files_of_another_form_are_refused(tmp_path):
    for text, said in (("[]", "damaged"), ("{", "damaged"), ('{"rows": []}', "holds no benchmark")):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            opened(tmp_path / "x.json")
    assert np.isfinite(seconds("1s"))
