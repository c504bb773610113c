"""What a person meets at the command line: options that are honoured or refused, lists of runs, plain characters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import statistics
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import counterfeit as cf
from counterfeit import catalogue, listing
from counterfeit.cli import main
from counterfeit.cli.output import counted
from counterfeit.cli.plain import readable
from counterfeit.cli.settings import settings
from counterfeit.common.numbers import number
from counterfeit.config.settings import Train
from counterfeit.engine.device import CPU, pick_precision
from counterfeit.engine.distributed import Processes
from counterfeit.engine.environment import _rounding
from counterfeit.engine.lock import holder, locked
from counterfeit.engine.step import Stepper
from counterfeit.report.comparison.protocols import footnoted
from counterfeit.report.export import write_samples
from counterfeit.report.run_page.facts import facts

QUICK = (
    "--train.steps", "2", "--train.batch_size", "8", "--train.tensorboard", "false", "--no-evaluate", "--no-report",
)  # fmt: skip


def refused(capsys, *words):
    capsys.readouterr()
    assert main([*words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("first", ()), ("second", ("--model.noise_dim", "8", "--train.lr", "0.002"))):
        assert main(["train", "gan", "--out", str(folder / name), *QUICK, *more]) == 0
    cf.Run(folder / "first").evaluate("nearest", samples=30)
    return folder


# ---- settings


@pytest.mark.parametrize(
    "words",
    [["--steps", "5", "--train.steps", "7"], ["--data", "mnist", "--data.name", "a"], ["--seed", "1", "--seed=2"]],
)
def test_a_setting_that_is_given_twice_is_refused(words):
    with pytest.raises(ValueError, match="came twice"):
        settings(words)


def test_shorthands_stand_in_the_help_and_are_honoured(tmp_path, capsys):
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in ("steps", "seed", "data", "model-class"))
    assert main(["train", "gan", "--out", str(tmp_path / "run"), "--steps", "1", "--seed", "7", *QUICK[2:]]) == 0
    config = cf.Run(tmp_path / "run").config.train
    assert (config.steps, config.seed) == (1, 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "zzzzzz"], "`counterfeit list recipes` lists all"),
        (["train", "gan-mnits"], "did you mean 'gan-mnist'"),
        (["train", "gan", "--qqq.zzz", "1"], "`counterfeit train gan --help` lists all"),
        (["train", "gan", "--data", "xyzzy"], "`counterfeit list data` lists all"),
        (["train", "gan", "--model.name", "vae"], "or vae-mnist or "),
    ],
)  # fmt: skip
def test_a_name_that_is_unknown_leads_to_what_lists_them(capsys, words, said):
    assert said in refused(capsys, *words)


# ---- runs


def test_runs_are_listed_with_what_sets_them_apart(runs, capsys):
    capsys.readouterr()
    assert main(["list", "runs", str(runs), "--json"]) == 0
    first, second = sorted(json.loads(capsys.readouterr().out), key=lambda entry: entry["run"])
    assert (first["recipe"], first["state"], first["step"]) == ("gan", "ended", "2 of 2")
    assert first["numbers"][0].startswith("nearest ")
    assert {"model.noise_dim 8", "train.lr 0.002"} <= set(second["settings"])
    assert "model.noise_dim 8" not in first["settings"]


def test_runs_are_listed_as_wide_as_columns_say(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    main(["list", "runs", str(runs)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 70


def test_a_run_that_trains_now_is_listed_so(runs, capsys):
    capsys.readouterr()
    with locked(runs / "second", Processes()):
        assert "process" in holder(runs / "second")
        assert main(["list", "runs", str(runs), "--json"]) == 0
    states = {entry["run"][-5:]: entry["state"] for entry in json.loads(capsys.readouterr().out)}
    assert (states["first"], states["econd"]) == ("ended", "training")
    assert not holder(runs / "second")


def test_damaged_runs_are_listed_as_such(tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.yaml").write_text("model: [")
    capsys.readouterr()
    assert main(["list", "runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "damaged"
    assert "holds no run" in refused(capsys, "list", "runs", str(tmp_path / "broken"))
    assert "with runs alone" in refused(capsys, "list", "models", str(tmp_path))


@pytest.mark.parametrize("verb", ["sample", "evaluate", "report", "resume", "doctor"])
def test_the_nearest_run_is_named(runs, capsys, verb):
    assert "did you mean 'first'?" in refused(capsys, verb, str(runs / "frist"))


def test_metrics_without_a_model_here_are_told_apart(capsys, monkeypatch):
    monkeypatch.setattr(listing, "models", lambda: {"vae": catalogue.model_class("vae")})
    assert main(["list", "metrics", "--json"]) == 0
    models = {entry["name"]: entry["models"] for entry in json.loads(capsys.readouterr().out)}
    assert models["ais"] == []
    assert "vae" in models["elbo"]
    assert main(["list", "metrics"]) == 0
    assert "models of your own" in capsys.readouterr().out.splitlines()[-1]


# ---- one picture in, one picture out; nothing that was not asked for


def picture(path, side=8):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)).save(path)
    return str(path)


def test_an_edit_of_one_picture_is_one_picture_and_writes_no_codes(bench, tmp_path):
    run = bench(catalogue.recipe("bigan")).trained.run
    (run.path / "codes.npz").unlink(missing_ok=True)
    mine, out = picture(tmp_path / "mine.png"), tmp_path / "new.png"
    assert main(["encode", str(run.path), "--input", mine, "--edit", str(out), "--to", "3"]) == 0
    assert not (run.path / "codes.npz").exists()
    with Image.open(out) as image:
        assert image.size == run.source.spec.shape[:0:-1]
    assert main(["encode", str(run.path), "--input", mine, "--reconstruct", str(tmp_path / "again.png")]) == 0
    assert not (run.path / "codes.npz").exists()
    assert main(["encode", str(run.path), "--input", mine]) == 0
    assert (run.path / "codes.npz").exists()


def test_a_completion_of_one_picture_is_one_picture(bench, tmp_path):
    run = bench(catalogue.recipe("inpainting-gan")).trained.run
    mine, out = picture(tmp_path / "mine.png"), tmp_path / "new.png"
    assert main(["complete", str(run.path), "--input", mine, "--mask", "left", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == run.source.spec.shape[:0:-1]
    words = ("--mask", "left", "--n", "3", "--out", str(out))
    assert main(["complete", str(run.path), "--input", mine, *words]) == 0
    with Image.open(out) as image:
        assert image.width > 3 * run.source.spec.shape[2]


# ---- words


def test_things_are_counted_in_words():
    assert [counted(n, "code") for n in (0, 1, 2, 1000)] == ["0 codes", "1 code", "2 codes", "1,000 codes"]


def test_characters_that_an_encoding_lacks_are_spelled_out(monkeypatch):
    for encoding, expected in (("ascii", "1 +- 2 <= -3 ?"), ("latin-1", "1 ± 2 <= -3 ?"), ("utf-8", "1 ± 2 ≤ −3 漢")):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        readable()
        print("1 ± 2 ≤ −3 漢", end="", flush=True)
        assert raw.getvalue().decode(encoding) == expected


def test_a_table_is_printed_in_ascii(runs):
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = ("evaluate", str(runs / "first"), "--metrics", "nearest", "--samples", "30")
    done = subprocess.run(
        [sys.executable, "-m", "counterfeit", *words], env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "+-" in done.stdout


# ---- several at once


def test_several_runs_show_their_mean_and_spread(runs, capsys):
    words = (str(runs / "first"), str(runs / "second"), "--metrics", "nearest,support-size", "--samples", "40")
    assert main(["evaluate", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    values = [found[name]["nearest"]["value"] for name in ("first", "second")]
    assert main(["evaluate", *words]) == 0
    said = capsys.readouterr().out
    mean, deviation = number(statistics.mean(values), statistics.stdev(values)).split(" ± ")
    shown = said.partition("mean ± standard deviation between 2")[2]
    assert mean in shown
    assert deviation in shown
    assert said.count("closest pairs") == 1  # a protocol stands once
    assert "[[" not in said


def test_protocols_lose_nothing_and_say_nothing_twice():
    protocols = {"a": "first; x; y; own", "b": "second; y; x", "c": "third; alone"}
    lines = footnoted(protocols)
    letters = dict(line[1:].split("] ") for line in lines if line.startswith("["))
    assert sorted(letters.values()) == ["x", "y"]
    for line, protocol in zip(lines, protocols.values(), strict=False):
        clauses, _, marks = line.partition(": ")[2].partition(" [")
        rest = [letters[mark] for mark in marks.rstrip("]").split(", ") if mark]
        assert sorted([*clauses.split("; "), *rest]) == sorted(protocol.split("; "))


def test_a_comparison_says_a_shared_clause_once(runs, capsys):
    words = (
        str(runs / "first"),
        str(runs / "second"),
        "--metrics",
        "nearest,class-coverage,support-size",
        "--samples",
        "40",
    )
    assert main(["compare", *words, "--page", ""]) == 0
    assert capsys.readouterr().out.count("pixels in [0, 1]") == 1


# ---- narrow terminals, points


def on_a_terminal(*words, columns=60, cwd=None):
    """What a command prints on a terminal so wide."""
    pty = pytest.importorskip("pty")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    surroundings = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    surroundings["TERM"] = "xterm"
    words = [sys.executable, "-m", "counterfeit", *words]
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs, env=surroundings, cwd=cwd):
        os.close(theirs)
        parts = []
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(mine, 65_536):
                parts.append(part)
    os.close(mine)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(parts).decode(errors="replace"))


def test_lists_are_readable_in_sixty_columns():
    lines = on_a_terminal("list", "recipes").splitlines()
    assert max(map(len, lines)) <= 60
    summary = lines[lines.index("gan") + 1 : lines.index("gan") + 5]
    assert sum(line.startswith("  ") for line in summary) <= 4  # a few lines, not a column of words
    assert any("model: gan, data: digits" in line for line in summary)


def test_the_bar_shows_losses_in_sixty_columns(tmp_path):
    words = ("--steps", "300", "--train.log_every", "5", "--train.tensorboard", "false", "--no-evaluate", "--no-report")
    shown = on_a_terminal("train", "gan", "--out", str(tmp_path / "a-run-with-a-long-name"), *words)
    assert re.search(r"/300 .* D \d", shown), shown[-2_000:]


@pytest.mark.parametrize("dims", [1, 2])
def test_points_are_plotted_with_axes(dims, tmp_path):
    x = torch.randn(300, dims, generator=torch.Generator().manual_seed(0))
    near, far = (write_samples(x * scale, tmp_path / f"{scale}.png") for scale in (1, 1_000))
    with Image.open(near) as one, Image.open(far) as other:
        assert min(one.size) > 300
        assert one.size == other.size  # as large a cloud, whatever its scale
        assert one.tobytes() != other.tobytes()  # the axes say other numbers


# ---- advice about precision


def test_advice_about_precision_is_by_width():
    narrow = _rounding({"bf16 at 128 units": 0.5, "bf16 at 512 units": 1.9, "bf16 at 2048 units": 8.0})
    assert "pays from layers of about 512 units on" in narrow
    assert "0.5 times at 128 units" in narrow
    assert "Stay with --train.precision fp32" in _rounding({"bf16 at 128 units": 0.5, "bf16 at 2048 units": 1.0})


@pytest.mark.parametrize(
    ("known", "taken"),
    [({}, "fp32"), ({"avx2": True}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")],
)
def test_the_precision_taken_is_that_which_the_processor_multiplies(monkeypatch, known, taken):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert pick_precision("auto", CPU) == taken
    assert [pick_precision(name, CPU) for name in ("fp32", "bf16")] == ["fp32", "bf16"]
    assert pick_precision("auto", torch.device("meta")) == "fp32"
    model = torch.nn.Linear(2, 2)
    model.device = CPU
    stepper = Stepper(model, Train(precision="auto"), Processes())
    with stepper.precision():
        assert str(model(torch.rand(1, 2)).dtype) == {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[taken]


def test_a_run_keeps_what_it_was_asked_and_what_it_took(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert main(["train", "gan", *QUICK, "--train.precision", "auto", "--out", str(tmp_path / "auto")]) == 0
    assert "far slower" not in capsys.readouterr().err
    kept = yaml.safe_load((tmp_path / "auto/run.yaml").read_text())
    assert (kept["train"]["precision"], kept["precision"]) == ("auto", "fp32")
    assert facts(cf.Run(tmp_path / "auto"))["Precision"] == "fp32 on cpu"
    assert main(["train", "gan", *QUICK, "--train.precision", "bf16", "--out", str(tmp_path / "asked")]) == 0
    assert "bf16 is far slower than fp32 on this device; --train.precision auto" in capsys.readouterr().err


def test_no_recipe_asks_for_bf16_of_processors_without():
    chosen = {name: catalogue.configure(catalogue.recipe(name)).train.precision for name in catalogue.recipes()}
    assert {*chosen.values()} == {"fp32", "auto"}


def test_a_recipe_is_timed_in_both_precisions(capsys):
    capsys.readouterr()
    assert main(["doctor", "gan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gain"] == pytest.approx(found["seconds"]["fp32"] / found["seconds"]["bf16"])
    assert main(["doctor", "gan"]) == 0
    assert "A step of gan takes" in capsys.readouterr().out
