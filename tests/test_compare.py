"""Comparisons: only numbers of one protocol are ranked, and every table and page says so."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.cli.evaluate import names
from counterfeit.common.files import write_json
from counterfeit.config.nested import merge
from counterfeit.core import Spec
from counterfeit.evaluation.fixed_samples import outside
from counterfeit.evaluation.subject import Subject
from counterfeit.metrics import registry
from counterfeit.metrics.base import Result
from counterfeit.report.comparison import cost
from counterfeit.report.comparison.compare import Comparison, compare, cost_table, lines, notes, table
from counterfeit.report.comparison.differences import differences, remedy
from counterfeit.report.comparison.figures import colors, curves, figures
from counterfeit.report.comparison.page import page
from counterfeit.report.html.plot import DARK, LIGHT
from counterfeit.report.paper.cells import Cell, Table, latex, markdown
from counterfeit.run.raw_view import view
from counterfeit.run.run import Run, train

NUMBERS = ("nearest", "class-coverage", "elbo")
QUICK = {"samples": 40, "max_examples": 40}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two seeds of one recipe, and a model of another family on the same digits made binary."""
    folder, made = tmp_path_factory.mktemp("runs"), {}
    for name, recipe, seed in (("a", "gan", 0), ("b", "gan", 1), ("vae", "vae", 0)):
        own = {"train": {"tensorboard": False, "seed": seed}}
        made[name] = train(recipe, out=folder / name, settings=merge(catalogue.recipe(recipe).smoke, own), show=False)
    return made


@pytest.fixture(scope="module")
def compared(runs: dict[str, Run]) -> Comparison:
    return compare(runs, NUMBERS, QUICK)


def entry(value: float, error: float | None = 1.0, protocol: str = "p; n=10") -> Result:
    return Result(value, error, 10, protocol)


def scores(**by_name: Result) -> Mapping[str, Mapping[str, Result]]:
    return {name: {"parzen": found} for name, found in by_name.items()}


def test_the_best_and_what_lies_within_two_errors_of_it_stand_out() -> None:
    (line,) = lines(scores(far=entry(1.0), near=entry(8.0), top=entry(10.0)))
    assert line.best == {"near", "top"}  # 2 <= 2 √2, while 9 is more


def test_lower_may_be_better() -> None:
    lower = {"a": {"fid": entry(3.0, None)}, "b": {"fid": entry(2.0, None)}}
    if "fid" in registry.metrics():
        assert lines(lower)[0].best == {"b"}


def test_real_data_stand_aside(runs: dict[str, Run]) -> None:
    (line,) = lines(scores(a=entry(1.0), b=entry(9.0), real=entry(99.0)), {"real"})
    assert line.best == {"b"}
    found = compare({**runs, "real": outside("digits:test")}, ["class-coverage"], QUICK)
    assert all("real" not in line.best for line in found.lines)


def test_nothing_is_ranked_where_neither_direction_is_better_or_nobody_competes() -> None:
    assert lines({"a": {"nearest": entry(1.0)}, "b": {"nearest": entry(2.0)}})[0].best == frozenset()
    assert lines(scores(a=entry(1.0)))[0].best == frozenset()


def test_other_protocols_are_other_lines_and_are_never_ranked_together() -> None:
    same, other = "Parzen; 100 samples; digits", "Parzen; 10 samples; digits"
    found = lines(scores(a=entry(5.0, 1, same), b=entry(9.0, 1, other), c=entry(4.0, 1, same)))
    assert [(set(line.cells), line.best, line.others) for line in found] == [
        ({"a", "c"}, {"a", "c"}, {"b"}), ({"b"}, set(), {"a", "c"}),
    ]  # fmt: skip
    (sentence,) = differences(found)
    assert "a, c (100 samples) against b (10 samples)" in sentence


def test_a_comparison_marks_kinds_and_what_does_not_apply(compared: Comparison) -> None:
    rows = {row[0].text: [cell.text for cell in row] for row in table(compared).rows}
    assert rows["elbo"][1:4] == ["bound, nats, ↑", "not applicable", "not applicable"]
    assert rows["nearest [1]"][1] == "estimate"
    assert rows["nearest [1]"][4] == rows["nearest [2]"][2] == "other protocol"
    assert compared.to_dict()["not applicable"] == {"a": ["elbo"], "b": ["elbo"], "vae": []}
    assert len(compared.differences) == 1
    assert compared.differences[0] == (
        "nearest, class-coverage: measured in 2 ways, between which nothing is ranked: a, b (digits, 1x8x8 pixels in "
        "[0, 1]) against vae (digits, 1x8x8 binary pixels)."
    )
    assert compared.remedy.startswith("Add `--data digits`")


def test_what_was_measured_is_kept_and_read_again(runs: dict[str, Run], compared: Comparison) -> None:
    told: list[tuple[str, int, int]] = []
    again = compare(runs, NUMBERS, QUICK, lambda *words: told.append(words))
    assert told == []
    assert again.lines == compared.lines
    assert runs["vae"].evaluation["elbo"]["settings"]["max_examples"] == 40


def test_what_stands_in_a_run_folder_under_other_settings_stays(runs: dict[str, Run]) -> None:
    before = runs["a"].evaluation
    found = compare({"a": runs["a"]}, ["nearest"], {"samples": 25})
    assert found.lines[0].cells["a"].n == 25
    assert runs["a"].evaluation == before


def test_numbers_of_the_recipe_replace_quick_ones(runs: dict[str, Run]) -> None:
    own = compare({"b": runs["b"]}, ["nearest"])
    assert own.lines[0].cells["b"].n == runs["b"].config.evaluate.samples
    assert runs["b"].evaluation["nearest"]["n"] == own.lines[0].cells["b"].n
    entries = runs["b"].evaluation
    for kept in entries.values():
        kept.pop("settings")  # as an earlier version left them
    write_json(runs["b"].path / "evaluation.json", entries)
    again = compare({"b": runs["b"]}, ["nearest"], None, lambda *words: pytest.fail(str(words)))
    assert again.lines == [dataclasses.replace(own.lines[0], cells={"b": Result.from_dict(entries["nearest"])})]


def test_samples_made_elsewhere_take_part(runs: dict[str, Run]) -> None:
    found = compare({"a": runs["a"], "real": outside("digits:test")}, ["nearest"], QUICK)
    assert set(found.lines[0].cells) == {"a", "real"}
    assert found.costs["real"] == {}
    assert [row[-1].text for row in cost_table(found).rows] == ["–"] * len(cost_table(found).rows)


def test_samples_made_elsewhere_are_evaluated_as_the_runs_beside_them(tmp_path: Path) -> None:
    quick = {"train.log_every": 1, "train.tensorboard": False, "train.threads": 1, "evaluate.features": "pixels"}
    run = train("gan", steps=1, out=tmp_path / "run", settings=quick, show=False)
    found = compare([run, outside("digits:train")], ["fid"], {"samples": 100, "resamples": 0})
    assert [line.metric for line in found.lines if line.metric.startswith("fid")] == ["fid"]
    assert found.differences == []


def test_a_metric_for_nobody_is_refused(runs: dict[str, Run]) -> None:
    with pytest.raises(ValueError, match="elbo applies to none of a"):
        compare({"a": runs["a"]}, ["elbo"])


def test_costs_are_what_the_run_recorded_and_what_was_timed(runs: dict[str, Run], compared: Comparison) -> None:
    found = compared.costs["a"]
    assert found["training steps"] == runs["a"].state["step"]
    assert found["training time, CPU s"] == runs["a"].state["cpu_seconds"]
    assert found["parameters"] == sum(p.numel() for p in runs["a"].model.parameters())
    assert all(compared.costs[name]["sampling 1,000, s"] > 0 for name in runs)


def test_models_draw_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[str, int]] = []
    clock = iter(range(1_000))

    class Slow(torch.nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.device, self.spec = name, torch.device("cpu"), Spec((1,))

        def sample(self, n: int, y: None = None) -> torch.Tensor:
            order.append((self.name, n))
            return torch.zeros(n, 1)

    monkeypatch.setattr(cost, "clock", lambda device: lambda: next(clock) / 1e3)
    found = cost.sampling_seconds({"a": Slow("a"), "b": Slow("b")})
    assert order == [("a", 20), ("b", 20), *[("a", 1_000), ("b", 1_000)] * 5]
    assert found == pytest.approx({"a": 1e-3, "b": 1e-3})


def test_curves_of_a_run_keep_its_color(runs: dict[str, Run]) -> None:
    chosen = colors(list(runs), LIGHT)
    found = {figure.caption: figure.picture.data.decode() for figure in curves(runs)}
    kl = next(svg for caption, svg in found.items() if caption == "kl (vae)")
    assert chosen["vae"] in kl
    assert chosen["a"] not in kl
    assert len(set(chosen.values())) == 3 == len(set(colors(list(runs), DARK).values()))


def test_the_page_shows_everybody_and_needs_nothing(runs: dict[str, Run], compared: Comparison) -> None:
    text = page(compared, list(figures(compared.contestants)))
    plain = re.sub(r'"data:[^"]*"', '""', text)
    assert "<script" not in plain
    assert re.findall(r"(?:src|href)=\"[^\"]+\"|url\(|https?:", plain) == []
    for name in runs:
        assert plain.count(f"<b>{name}</b>") >= 4  # in the key, samples, neighbours, interpolation
    assert "Not all was measured in the same way" in plain
    assert plain.count('class="best"') >= 1
    HTMLParser().feed(text)


def test_the_page_warns_of_what_was_measured_on_few(runs: dict[str, Run]) -> None:
    found = compare({"a": runs["a"], "b": runs["b"]}, ["nearest"], {"samples": 5})
    assert "a, b: measured on 5 examples only" in page(found, [])


def test_the_page_escapes_names(runs: dict[str, Run]) -> None:
    hostile = '<script>alert("1")</script>'
    found = compare({hostile: runs["a"]}, ["nearest"], QUICK)
    assert hostile not in page(found, list(figures(found.contestants)))


def test_tables_in_markdown_and_latex() -> None:
    made = Table(["a|b", "x_1"], [[Cell("50 % & more"), Cell("−1.0 ± 0.2", best=True)]], ["a note"])
    assert markdown(made).splitlines()[0] == "| a\\|b | x_1 |"
    assert "| **−1.0 ± 0.2** |" in markdown(made)
    assert r"50 \% \& more & \textbf{$-$1.0 $\pm$ 0.2} \\" in latex(made)
    assert r"x\_1" in latex(made)


def test_on_the_command_line(runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, 8, 8)))
    words = [str(runs["a"].path), str(runs["b"].path), str(tmp_path / "x.npy"), "--data", "digits", "--samples", "40"]
    made, table_file = tmp_path / "page.html", tmp_path / "table.tex"
    options = [
        "--metrics",
        "nearest",
        "--max-examples",
        "40",
        "--page",
        str(made),
        "--latex",
        str(table_file),
        "--json",
    ]
    assert main(["compare", *words, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["metrics"][0]["values"]) == {"a", "b", "x.npy"}
    assert made.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert r"\begin{tabular}" in table_file.read_text(encoding="utf-8")


def test_the_split_may_be_named_as_data(runs: dict[str, Run], capsys: pytest.CaptureFixture) -> None:
    words = ["compare", str(runs["vae"].path), "--data", "valid", "--metrics", "elbo", "--page", "", "--markdown"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("| metric | kind | vae |")


def test_names_tell_paths_apart() -> None:
    assert names(["x/run", "y/run", "y/other", "mnist:test"]) == ["x/run", "y/run", "other", "mnist:test"]


def test_real_data_are_measured_by_as_many_samples_as_runs(tmp_path):
    import counterfeit as cf
    from counterfeit.evaluation.fixed_samples import outside
    from counterfeit.report.comparison.compare import compare

    settings = {"model.hidden": [8], "model.discriminator_hidden": [8], "evaluate.samples": 60}
    run = cf.train("gan", steps=4, out=tmp_path / "run", settings=settings, show=False)
    found = compare({"run": run, "digits:train": outside("digits:train")}, ["nearest"])
    assert not found.differences
    assert len([line for line in found.lines if line.metric == "nearest"]) == 1


# Binary pixels against gray ones --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gray(runs: dict[str, Run]) -> dict[str, Subject]:
    return {name: view(run, catalogue.source("digits")) for name, run in runs.items()}


def test_what_is_advised_ranks_models_of_gray_and_of_binary_pixels(runs: dict[str, Run], gray) -> None:
    assert gray["a"].run is runs["a"]
    assert gray["a"].note == ""
    kept = runs["vae"].evaluation
    found = compare(gray, ["class-coverage", "parzen"], QUICK)
    assert found.differences == []
    assert found.remedy == ""
    assert [set(line.cells) for line in found.lines] == [{"a", "b", "vae"}] * 2
    assert found.lines[1].best
    assert "vae: decoded means, in place of draws, of a model of digits after binarize." in notes(found)
    assert found.lines[0].cells["vae"].details["samples"].startswith("decoded means")
    assert runs["vae"].evaluation == kept
    assert found.costs["vae"]["parameters"] == sum(p.numel() for p in runs["vae"].model.parameters())


def test_a_view_draws_decoded_means(runs: dict[str, Run], gray) -> None:
    x = gray["vae"].sample(5, seed=3)
    assert torch.equal(x, runs["vae"].sample(5, seed=3, mean=True))
    assert ((x > 0) & (x < 1)).any()
    assert gray["vae"].model.spec == catalogue.source("digits").spec


def test_a_run_is_not_measured_against_other_data(runs: dict[str, Run], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ValueError, match="was trained on digits after binarize; --data names other data"):
        view(runs["vae"], catalogue.source("grid"))
    assert main(["evaluate", str(runs["a"].path), "--data", "grid"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_line_says_what_to_do_and_it_works(runs: dict[str, Run], tmp_path: Path, capsys) -> None:
    words = ["compare", str(runs["a"].path), str(runs["vae"].path), "--metrics", "class-coverage", "--samples", "40"]
    assert main([*words, "--page", ""]) == 0
    assert "Add `--data digits`" in capsys.readouterr().err.splitlines()[-1]
    made = tmp_path / "page.html"
    assert main([*words, "--data", "digits", "--page", str(made), "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["metrics"]
    assert set(line["values"]) == {"a", "vae"}
    assert "decoded means, in place of draws" in made.read_text(encoding="utf-8")


def test_settings_that_differ_are_named(runs: dict[str, Run]) -> None:
    assert remedy({"a": runs["a"], "b": runs["b"]}, {}) == ""
    other = Run(runs["b"].path)
    other.config = dataclasses.replace(
        other.config, evaluate=dataclasses.replace(other.config.evaluate, max_examples=7)
    )
    assert remedy({"a": runs["a"], "b": other}, {}) == "Give --max-examples, and all are measured alike."
    assert "on different data" in remedy({"a": runs["a"], "toy": outside("grid:test")}, {})
