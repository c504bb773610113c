"""The founding paper's tables: published numbers as they stand, measured ones as they were measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.config.nested import merge
from counterfeit.core import Net, Samples
from counterfeit.metrics.base import Result
from counterfeit.report.html.grids import framed
from counterfeit.report.paper.figures import figure2, found_runs
from counterfeit.report.paper.table1 import RECIPES, _published, _published_row, find_runs, recorded, table1
from counterfeit.report.paper.table2 import families, passes, table2
from counterfeit.run.run import Run, train

TINY = {"train": {"tensorboard": False}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on digits: two seeds of one recipe's smoke settings, and one on binary digits, which is other data."""
    out = tmp_path_factory.mktemp("runs")
    for name, recipe, seed in (("seed0", "gan", 0), ("seed1", "gan", 1), ("vae", "vae", 0)):
        settings = merge(merge(catalogue.recipe(recipe).smoke, TINY), {"train": {"seed": seed}})
        train(recipe, out=out / name, settings=settings, show=False)
    (out / "empty").mkdir()
    return out


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def found(told: list[str]) -> dict[str, dict]:
    """Measurements of a model of each way to sample, and of one that cannot."""
    chosen = {"gan", "vae", "nade", "lenet"}
    some = {name: recipe for name, recipe in catalogue.recipes().items() if recipe.model in chosen}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "recipes", lambda: some)
        return families(steps=8, tell=lambda what, number, count: told.append(what))


def cells(rows: list) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in rows}


def test_published_numbers_stand_as_in_the_paper() -> None:
    published = {name: (row[0], row[2]) for name, row in cells(table1([]).rows).items()}
    assert published["DBN"] == ("138.0 ± 2.0", "1,909 ± 66")
    assert published["stacked CAE"] == ("121.0 ± 1.6", "2,110 ± 50")
    assert published["deep GSN"] == ("214.0 ± 1.1", "1,890 ± 29")
    assert published["adversarial nets"] == ("225.0 ± 2.0", "2,057 ± 26")


def test_models_to_come_are_said_to_be_missing() -> None:
    rows = cells(table1([]).rows)
    for name, row in {"DBN": "dbn", "stacked CAE": "cae", "deep GSN": "gsn", "adversarial nets": "gan"}.items():
        assert rows[name][1] == ("not measured" if row in RECIPES else "not in this version")


def test_scores_of_a_rows_own_recipe_fill_it() -> None:
    scores = {"stacked-contractive-autoencoder": {"mnist": [Result(130.0, 2.0, 10_000, "a protocol")]}}
    row = _published_row("cae", _published()["cae"], scores)
    assert [cell.text for cell in row][:3] == ["stacked CAE", "121.0 ± 1.6", "130.0 ± 2.0"]
    assert _published_row("gan", _published()["gan"], scores)[2].text == "not measured"


def test_only_runs_on_the_data_as_they_are_count(folder: Path) -> None:
    assert [run.name for run in find_runs(folder)] == ["seed0", "seed1"]


def test_runs_that_differ_from_their_recipe_have_rows_of_their_own(folder: Path) -> None:
    rows = cells(table1(find_runs(folder), samples=60).rows)
    assert {"seed0", "seed1", "real (reference)", "k-means (reference)"} <= set(rows)
    kept = Run(folder / "seed0").evaluate("parzen", samples=60, max_examples=0)["parzen"]
    assert float(rows["seed0"][-1].split(" ± ")[0].replace("−", "-")) == pytest.approx(kept.value, abs=0.1)


def test_runs_of_a_recipe_are_averaged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfeit.report.paper.table1._label", lambda run: run.config.recipe)
    runs = find_runs(folder)
    values = [run.evaluate("parzen", samples=60, max_examples=0)["parzen"].value for run in runs]
    text = cells(table1(runs, samples=60).rows)["gan"][-1]
    assert text.endswith("(2 runs)")
    mean, spread = (float(part.replace("−", "-")) for part in text.removesuffix(" (2 runs)").split(" ± "))
    assert mean == pytest.approx(sum(values) / 2, abs=0.1 + abs(spread) / 10)


def test_passes_count_a_chain() -> None:
    class Step(Net):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 2

    class Chain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step, self.last, self.relu = Step(), Step(), torch.nn.ReLU()

        def sample(self, n: int) -> torch.Tensor:
            x = torch.ones(n, 1)
            for _ in range(7):
                x = self.step(x)
            return self.last(x)

    model = Chain()
    assert passes(model, lambda: model.sample(2)) == 7  # type: ignore[arg-type]
    assert not any(net._forward_hooks for net in model.modules())


def test_families_are_measured_by_what_they_can_do(found: dict[str, dict]) -> None:
    assert {"gan", "vae"} <= set(found)
    gan, vae = found["gan"], found["vae"]
    assert (gan["density"], vae["density"]) == ("estimate", "bound")
    assert set(vae["density_seconds"]) == {"elbo", "iwae"}
    assert (gan["updates_a_step"], vae["updates_a_step"]) == (2, 1)
    assert gan["inference_seconds"] is None
    assert vae["inference_seconds"] > 0
    assert gan["chain"] == vae["chain"] == 1
    assert set(gan["parts"]) == {"generator", "discriminator"}
    assert all(row["step_seconds"] > 0 and row["sampling_seconds"] > 0 for row in (gan, vae))


def test_every_step_of_a_family_is_told(found: dict[str, dict], told: list[str]) -> None:
    assert [what for what in told if what.startswith("vae")] == [
        "vae, 8 steps of training", "vae, codes and samples", "vae, elbo", "vae, iwae"
    ]  # fmt: skip


def test_only_generative_models_have_a_row(found: dict[str, dict]) -> None:
    assert all(row["density"] or issubclass(catalogue.model_class(name), Samples) for name, row in found.items())


def test_the_second_table_has_the_aspects_of_the_paper(found: dict[str, dict]) -> None:
    made = table2(found)
    assert made.columns == ["model", "training", "inference", "sampling", "evaluating p(x)", "model design"]
    rows = cells(made.rows)
    assert list(rows) == list(found)
    assert rows["gan"][1] == "none"
    assert "no chain" in rows["vae"][2]


def test_a_model_is_measured_by_the_recipe_of_its_name(found: dict[str, dict]) -> None:
    assert [found[name]["recipe"] for name in ("gan", "vae", "nade")] == ["gan", "vae", "nade"]


def test_data_without_recipes_are_refused() -> None:
    with pytest.raises(ValueError, match="no recipe is on nowhere"):
        families("nowhere")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfeit.cli.reproduce.QUICK", 2_000)


def test_the_first_table_on_the_command_line(quick: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    record = tmp_path / "results" / "table1.json"
    words = ["reproduce", "table1", "--runs", str(tmp_path / "runs"), "--quick", "--record", str(record)]
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert next(row for row in printed["rows"] if row["model"] == "DBN")["MNIST, published"] == "138.0 ± 2.0"
    (made,) = (tmp_path / "runs").iterdir()
    assert next(row for row in printed["rows"] if row["model"] == made.name)["digits, measured"][-1].isdigit()
    assert json.loads(record.read_text())["rows"] == printed["rows"]
    assert main([*words, "--markdown"]) == 0  # finds the run that it made
    assert capsys.readouterr().out.startswith("| model | MNIST, published |")
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_what_was_measured_before_stands_where_no_run_is() -> None:
    kept = recorded(Path(__file__).parent.parent / "results")
    scores = {one.label: one.score.value for one in kept if one.data == "mnist"}
    rows = cells(table1([], kept=kept).rows)
    for model, recipe in (("stacked CAE", "stacked-contractive-autoencoder"), ("adversarial nets", "gan-mnist-2014")):
        assert rows[model][1].startswith(f"{scores[recipe]:.1f}")
    assert rows["gan-mnist"][1].endswith("(3 runs)")
    assert all(" 10000 samples; " in one.score.protocol for one in kept)


DAMAGED = "{", '{"rows": [3]}', '{"name": "x", "rows": [{"steps": 1, "metrics": {"parzen": 1}}]}'


@pytest.mark.parametrize("text", DAMAGED)
def test_files_that_are_no_results_are_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "x.json").write_text(text)
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert main(["reproduce", "table1", "--runs", str(tmp_path), "--results", str(folder)]) == 2
        assert capsys.readouterr().err.strip().count("\n") == 0


def test_the_second_and_third_figure(quick: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runs = tmp_path / "runs"
    chain = catalogue.recipe("rbm").smoke
    train("rbm", out=runs / "chain", settings=merge(chain, {**TINY, "data": {"transforms": ["binarize"]}}), show=False)
    for name, panels, start in (("figure2", 2, "a) gan on digits"), ("figure3", 1, "gan on digits")):
        out = tmp_path / f"{name}.png"
        assert main(["reproduce", name, "--runs", str(runs), "--quick", "--out", str(out), "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert len(printed["panels"]) == panels
        assert printed["panels"][0].startswith(start)
        with Image.open(out) as picture:
            assert min(picture.size) > 50
    assert len([*runs.iterdir()]) == 2  # the run of `gan` is made once


def test_a_panel_shows_samples_and_what_is_nearest_to_the_last_of_each_row(folder: Path) -> None:
    (run,) = [run for run in found_runs(folder) if run.name == "seed0"]
    (panel,) = figure2([run])
    x = run.sample(35, 0, mean=True).unflatten(0, (5, 7))
    train_examples = run.source.split("train").first().x
    away = torch.cdist(x[:, -1].flatten(1), train_examples.flatten(1))
    expected = framed(x, train_examples[away.argmin(1)])
    assert np.array_equal(panel.pixels, expected)


@pytest.mark.parametrize(
    ("words", "came"),
    [
        (["figure2", "--markdown"], "--markdown"), (["figure1", "--out", "x.png"], "x.png"),
        (["table1", "--out", "x.png"], "--out"), (["figure3", "--results", "results"], "--results"),
    ],
)  # fmt: skip
def test_options_of_tables_are_none_of_figures(words: list[str], came: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["reproduce", *words]) == 2
    assert came in capsys.readouterr().err


def test_what_is_no_table_is_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "table3"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
