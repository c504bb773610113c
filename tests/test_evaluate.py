"""Anything can be evaluated: runs, and samples of any other program in files, with errors, seeds and clear refusals."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.estimate import Estimate
from counterfeit.common.files import dumps
from counterfeit.common.seeding import seeded
from counterfeit.config.settings import Data, Evaluation
from counterfeit.core import Bounds, Decodes, Density, Samples, Spec
from counterfeit.data.sample_files import Array
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import InMemory
from counterfeit.evaluation.fixed_samples import outside
from counterfeit.evaluation.measure import applicable, measure, metric_of
from counterfeit.evaluation.subject import FixedSamples, Subject
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics import registry
from counterfeit.metrics.base import Metric, Result
from counterfeit.run.run import train

DIGITS = Data("digits")
TRAIN = catalogue.source("digits").split("train").first(60).x


class Bigger:
    """Data in color, as a source says what they are."""

    name = "color"
    spec = Spec((3, 4, 5))
    span = None


def fails(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert main(list(words)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"counterfeit {words[0]}: error: ")
    return error


def saved(path: Path, x: np.ndarray) -> str:
    np.save(path, x)
    return str(path)


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x,
        lambda x: x.transpose(0, 2, 3, 1),
        lambda x: x[:, 0],
        lambda x: x.reshape(len(x), -1),
        lambda x: (x * 255).round().astype(np.uint8),
        lambda x: x.astype(np.float64),
    ],
)
def test_layouts_of_arrays_mean_the_same(layout) -> None:
    again = Array(layout(TRAIN.numpy()), catalogue.source("digits"), "x").first().x
    torch.testing.assert_close(again, TRAIN, atol=0.501 / 255, rtol=0)


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.transpose(0, 2, 3, 1), lambda x: x.reshape(len(x), -1)])
def test_layouts_of_color_mean_the_same(layout) -> None:
    x = np.random.default_rng(0).random((7, 3, 4, 5), np.float32)
    torch.testing.assert_close(Array(layout(x), Bigger(), "x").first().x, torch.from_numpy(x))


def test_pictures_in_a_folder_and_in_a_zip_are_what_was_written(tmp_path: Path) -> None:
    pixels = (TRAIN * 255).round().to(torch.uint8)[:, 0].numpy()
    (tmp_path / "pictures").mkdir()
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for i, image in enumerate(pixels):
            file = tmp_path / "pictures" / f"{i:03}.png"
            Image.fromarray(image).convert("RGB" if i % 2 else "L").save(file)
            archive.write(file, file.name)
    for name in ("pictures", "pictures.zip"):
        x = outside(str(tmp_path / name), DIGITS).model.examples.first().x
        assert torch.equal((x * 255).round().to(torch.uint8)[:, 0], torch.from_numpy(pixels))


def test_an_npz_holds_samples_as_x_or_alone(tmp_path: Path) -> None:
    x = TRAIN.numpy()
    np.savez(tmp_path / "named.npz", x=x, y=np.zeros(3))
    np.savez(tmp_path / "alone.npz", x)
    for name in ("named.npz", "alone.npz"):
        torch.testing.assert_close(outside(str(tmp_path / name), DIGITS).model.examples.first().x, TRAIN)


def test_binary_samples_may_hold_ones_or_255(tmp_path: Path) -> None:
    data = Data("digits", transforms=("binarize",))
    bits = (np.random.default_rng(0).random((9, 8, 8)) < 0.5).astype(np.uint8)
    for scale in (1, 255):
        x = outside(saved(tmp_path / "x.npy", bits * scale), data).model.examples.first().x
        assert torch.equal(x[:, 0], torch.from_numpy(bits).float())


def test_given_samples_are_each_handed_out_once() -> None:
    given = FixedSamples(Spec((1,), "real"), InMemory(torch.arange(10.0)[:, None]), "ten")
    assert sorted(draw_samples(given, 10, seed=3, batch_size=4).flatten().tolist()) == list(range(10))
    assert torch.equal(draw_samples(given, 5, seed=3), draw_samples(given, 5, seed=3))
    assert not torch.equal(draw_samples(given, 10, seed=3), draw_samples(given, 10, seed=4))
    with pytest.raises(ValueError, match="ten holds 10 samples"):
        draw_samples(given, 11)


def test_given_samples_can_nothing_but_sample() -> None:
    given = outside("digits:test").model
    assert isinstance(given, Samples)
    assert not isinstance(given, Bounds | Decodes | Density)


def test_a_split_scores_what_the_reference_row_says() -> None:
    real = outside("digits:train").evaluate("parzen", samples=100)["parzen"]
    first = registry.metric("parzen").compute(
        FixedSamples(Spec((1, 8, 8)), InMemory(evenly_spaced(catalogue.source("digits"), "train", 100).x), "spread"),
        catalogue.source("digits"), Evaluation(samples=100),
    )  # fmt: skip
    assert first.value == pytest.approx(first.references["real"].value, abs=1e-4)
    assert real.fingerprint == first.fingerprint


def test_seeds_give_mean_and_spread_beside_the_error_of_one() -> None:
    one = outside("digits:valid")
    each = [one.evaluate("nearest", samples=40, seed=seed)["nearest"] for seed in (5, 6, 7)]
    all_three = one.evaluate("nearest", samples=40, seed=5, seeds=3)["nearest"]
    values = [result.value for result in each]
    assert all_three.value == pytest.approx(np.mean(values))
    assert all_three.details["between seeds"] == pytest.approx(np.std(values, ddof=1))
    assert all_three.error == pytest.approx(np.sqrt(np.mean([result.error**2 for result in each])))
    assert all_three.fingerprint == each[0].fingerprint


def test_a_metric_may_give_several_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(model, source, evaluation):
        return {name: Result(evaluation.seed + i, None, 50, "made up") for i, name in enumerate(("low", "high"))}

    pair = Metric("pair", "two", "", None, Samples, compute, rows={"low": "lower", "high": "higher"})
    monkeypatch.setitem(registry.metrics(), "pair", pair)
    found = outside("digits:test").evaluate("pair", samples=100, seeds=3)
    assert {name: result.value for name, result in found.items()} == {"low": 1.0, "high": 2.0}
    assert [metric_of(row).better for row in found] == ["lower", "higher"]
    assert "pair" in applicable(outside("digits:test"))


def test_what_only_repeats_other_metrics_is_asked_by_name_alone() -> None:
    every = registry.metrics()
    repeats = [name for name, metric in every.items() if metric.rows and {*metric.rows} <= {*every}]
    assert {*repeats}.isdisjoint(applicable(outside("digits:test")))
    assert applicable(outside("digits:test"), repeats) == repeats


def test_what_the_data_or_the_model_do_not_suit_is_refused_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, **more) -> Metric:
        return Metric(name, "a number", "", None, Samples, lambda *_: Result(1.0, None, 50, name), **more)

    for metric in (
        made("of-points", applies=lambda source: len(source.spec.shape) == 1), made("of-labels", labels=True),
        made("of-games", suits=lambda model: hasattr(model, "discriminator")),
    ):  # fmt: skip
        monkeypatch.setitem(registry.metrics(), metric.name, metric)
    ring = catalogue.source("ring")
    points = Subject("points", FixedSamples(ring.spec, ring.split("test"), "points"), ring)
    for subject, name, says in (
        (outside("digits:test"), "of-points", r"of-points \(a number\) does not apply to digits, image data of shape"),
        (points, "of-labels", "of-labels asks for data with labels; ring has none"),
        (points, "of-games", r"of-games \(a number\) cannot be asked of points\. Take "),
    ):
        assert name not in applicable(subject)
        with pytest.raises(ValueError, match=says) as error:
            measure(subject, [name], Evaluation(samples=10))
        assert "\n" not in str(error.value)
    assert measure(points, ["of-points"], Evaluation(samples=10))["of-points"].value == 1


def test_a_metric_that_does_not_suit_the_model_is_no_validation(tmp_path: Path) -> None:
    says = r"train\.monitor: label-accuracy cannot choose among checkpoints of gan: .* cannot be asked of gan"
    with pytest.raises(ValueError, match=says):
        train("gan", settings={"train.monitor": "label-accuracy"}, out=tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()


def test_checkpoints_are_chosen_by_a_row_of_a_metric_that_gives_several(tmp_path: Path) -> None:
    of = {"train.monitor_samples": 60, "evaluate.features": "pixels", "train.save_every": 2, "train.steps": 2}
    with pytest.raises(ValueError, match="it gives precision, recall, density, coverage; one of them is expected"):
        train("gan", settings=of | {"train.monitor": "prdc"}, out=tmp_path / "refused", show=False)
    run = train("gan", settings=of | {"train.monitor": "density"}, out=tmp_path / "run", show=False)
    assert run.path.joinpath("events.jsonl").read_text().count("valid/density") == 1


def test_all_stands_for_what_applies() -> None:
    one, told = outside("digits:test"), []
    assert {"parzen", "nearest", "class-coverage"} <= set(applicable(one))
    assert {"elbo", "log-likelihood"}.isdisjoint(applicable(one))
    measure(one, ["nearest", "class-coverage"], one.settings(samples=20), lambda *words: told.append(words))
    assert told == [("nearest", 1, 2), ("class-coverage", 2, 2)]


def test_few_examples_warn() -> None:
    result = outside("digits:test").evaluate("parzen", samples=50, max_examples=3)["parzen"]
    assert "3 examples only" in result.warning


def test_files_beside_real_data_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file, record = saved(tmp_path / "x.npy", TRAIN.numpy()), tmp_path / "results" / "x.json"
    words = ["evaluate", file, "digits:test", "--data", "digits", "--metrics", "nearest", "--samples", "50"]
    assert main([*words, "--json", "--record", str(record)]) == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert found["x.npy"]["nearest"]["value"] == 0
    assert found["digits:test"]["nearest"]["value"] > 0.5
    assert "x.npy: nearest (1 of 1)" in output.err
    assert [row["run"] for row in json.loads(record.read_text())["rows"]] == ["x.npy", "digits:test"]


def test_references_are_rows_for_a_person(capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", "digits:test", "--metrics", "nearest", "--samples", "50"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  held-out \(reference\) +[\d.]+ ± [\d.]+ +50", text, re.MULTILINE)
    assert "{" not in text


def test_every_setting_of_evaluation_is_an_option(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    text = capsys.readouterr().out
    assert all(f"--{name} " in text for name in Evaluation.__dataclass_fields__ if name != "metrics")


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((3, 9, 9)), "Add --data.size 9"),
        (np.zeros((3, 7)), "expects (1, 8, 8)"),
        (np.zeros((0, 8, 8)), "holds no rows"),
        (np.full((3, 8, 8), -1.0), "lies in [-1, -1]"),
        (np.full((3, 8, 8), np.nan), "not finite"),
        (np.zeros((3, 8, 8), np.int64), "dtype int64"),
        (np.ones((3, 8, 8), np.uint8), "0 to 255 is expected"),
        (np.zeros((3, 8, 8), object), "is no array file"),
    ],
)
def test_wrong_arrays_are_one_clear_line(x: np.ndarray, says: str, tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "x.npy", x)
    assert says in fails(capsys, "evaluate", str(tmp_path / "x.npy"), "--data", "digits")


def test_wrong_files_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    np.savez(tmp_path / "two.npz", a=TRAIN, b=TRAIN)
    (tmp_path / "bad.npy").write_bytes(b"not an array")
    Image.new("L", (9, 9)).save(tmp_path / "0.png")
    for name, says in {
        "two.npz": "Call the samples `x`", "bad.npy": "is no array file", "none.npy": "does not exist",
        "none": "does not exist", "": "0.png holds samples of shape (1, 9, 9)",
    }.items():  # fmt: skip
        assert says in fails(capsys, "evaluate", str(tmp_path / name), "--data", "digits")


def test_wrong_words_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = saved(tmp_path / "x.npy", TRAIN.numpy())
    for words, says in {
        (file,): "say with --data", (file, "--data", ""): "data.name: ''", (file, "--data.size", "8"): "without --data",
        (file, "--data", "digits", "--metrics", "elbo"): "asks for a model that has Bounds; x.npy has Samples",
        (file, "--data", "digits", "--samples", "61"): "holds 60", ("digits:half",): "without reference data",
        ("digits:test", "--metrics", "nearest", "--seeds", "0"): "at least 1",
    }.items():  # fmt: skip
        assert says in fails(capsys, "evaluate", *words)
    assert "data.name: ''" in fails(capsys, "train", "gan", "--data", "")


# Anomalies of another source ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    import counterfeit as cf

    small = {"model.hidden": [16], "model.latent_dim": 4}
    return cf.train("vae", steps=60, out=tmp_path_factory.mktemp("vae") / "run", settings=small, show=False)


def test_numbers_on_data_that_are_drawn_come_of_the_seed_alone(autoencoder):
    """Random binarization draws as examples are read; what was drawn before changes no metric."""
    names, found = ["linear-probe", "elbo", "nearest", "memorization", "prdc", "reconstruction"], []
    for seed in (1, 2):
        with seeded(seed):
            results = autoencoder.evaluate(*names, samples=200, resamples=2, max_examples=100)
        found.append({name: result.value for name, result in results.items()})
    assert "1nn-probe" in found[0]
    assert found[0] == found[1]


def test_anomalies_of_another_folder_pass_through_the_same_transforms(autoencoder, tmp_path):
    for i in range(30):
        Image.fromarray(np.full((8, 8), 255 - i, np.uint8)).save(tmp_path / f"{i}.png")
    result = autoencoder.evaluate("anomaly", anomaly_data=str(tmp_path), split="valid")["anomaly"]
    assert "folder" in result.protocol
    assert result.value > 0.9  # white squares are no digits


def test_the_data_themselves_are_no_anomalies(autoencoder):
    result = autoencoder.evaluate("anomaly", anomaly_data="digits")["anomaly"]
    assert result.value == pytest.approx(0.5, abs=0.05)


def test_anomalies_of_another_shape_are_refused(autoencoder):
    with pytest.raises(ValueError, match="two-moons cannot be resized"):
        autoencoder.evaluate("anomaly", anomaly_data="two-moons")


def test_peak_memory_is_kept_with_the_run(autoencoder):
    assert autoencoder.state["memory"] > 2**26


# Files that are none --------------------------------------------------------------------------------------------------


def _zip(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)


def _broken(kind: str, folder: Path) -> Path:
    path = folder / ("x.npz" if kind != "zip as npy" else "x.npy")
    if kind == "npy as npz":
        with path.open("wb") as file:
            np.save(file, np.zeros((3, 8, 8), np.float32))
    elif kind == "huge header":
        path = folder / "x.npy"
        np.save(path, np.zeros(1, np.float32))
        path.write_bytes(path.read_bytes().replace(b"(1,), }" + b" " * 10, b"(64000000000,), }"))
    else:
        _zip(path, "x.npy", b"no array")
    return path


@pytest.mark.parametrize("kind", ["npy as npz", "zip as npy", "no array in npz", "huge header"])
def test_files_that_are_no_arrays_are_one_line(kind, tmp_path, capsys):
    path = _broken(kind, tmp_path)
    assert main(["evaluate", str(path), "--data", "digits", "--metrics", "nearest"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert "no array" in said[0] or "expected" in said[0]


def test_a_mean_is_taken_of_runs_alone(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random((30, 8, 8), np.float32))
    words = ["evaluate", "digits:train", str(tmp_path / "a.npy"), "--data", "digits", "--metrics", "nearest"]
    assert main([*words, "--samples", "20", "--seeds", "2", "--record", str(tmp_path / "r.json")]) == 0
    kept = json.loads((tmp_path / "r.json").read_text())
    assert len(kept["rows"]) == 2
    assert kept["summary"] == {}  # real data and samples have no common mean


def test_a_split_measured_against_itself_is_told():
    assert "against itself" in outside("digits:test").evaluate("nearest")["nearest"].warning
    assert not outside("digits:train").evaluate("nearest", samples=100)["nearest"].warning


@pytest.mark.parametrize("words", [["--record"], ["--page"]])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(words, tmp_path, capsys):
    verb = "evaluate" if words == ["--record"] else "compare"
    assert main([verb, "digits:train", *words, str(tmp_path)]) == 2
    assert capsys.readouterr().err.strip().endswith("it is a folder. Name another file.")


def test_nobody_is_advised_to_unpickle(tmp_path, capsys):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "t.npy").write_text("text")
    for name in ("o.npy", "t.npy"):
        assert main(["evaluate", str(tmp_path / name), "--data", "digits", "--metrics", "nearest"]) == 2
        said = capsys.readouterr().err
        assert "allow_pickle" not in said
        assert "objects are never loaded" in said


# Each number once, and in words that fit ------------------------------------------------------------------------------


def test_fixed_samples_have_no_seeds(tmp_path, capsys):
    file = saved(tmp_path / "x.npy", TRAIN.numpy())
    assert main(["evaluate", file, "--data", "digits", "--metrics", "nearest", "--seeds", "3", "--json"]) == 0
    output = capsys.readouterr()
    assert "between seeds" not in json.loads(output.out)["nearest"]["details"]
    assert "x.npy: fixed samples have no seeds; all of them are measured, once, not 3 times." in output.err
    assert main(["evaluate", file, "--data", "digits", "--metrics", "nearest", "--seeds", "3", "--samples", "9"]) == 0
    assert "no seeds" not in capsys.readouterr().err  # other nine every time


@pytest.mark.parametrize(
    ("names", "asked"),
    [(["nearest", "nearest"], ["nearest"]), (["precision", "prdc", "nearest", "coverage"], ["prdc", "nearest"])],
)
def test_nothing_is_measured_twice(names, asked, monkeypatch):
    told = []
    monkeypatch.setattr("counterfeit.evaluation.measure._asked", lambda *_: {})
    measure(outside("digits:train"), names, Evaluation(samples=20), lambda *words: told.append(words))
    assert told == [(name, place, len(asked)) for place, name in enumerate(asked, 1)]
    assert applicable(outside("digits:train"), names) == asked


def test_scores_of_anomalies_are_rows_for_a_person(autoencoder, capsys):
    assert main(["evaluate", str(autoencoder.path), "--metrics", "anomaly"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  by elbo +[\d.]+ ± [\d.]+", text, re.MULTILINE)
    assert re.search(r"^  by reconstruction +[\d.]+", text, re.MULTILINE)
    assert "{" not in text


def test_few_anomalies_warn(autoencoder, tmp_path):
    for i in range(30):
        Image.fromarray(np.full((8, 8), 255 - i, np.uint8)).save(tmp_path / f"{i}.png")
    few = autoencoder.evaluate("anomaly", anomaly_data=str(tmp_path), split="valid")["anomaly"]
    assert "anomalies and 250 examples are few" in few.warning
    assert not autoencoder.evaluate("anomaly", anomaly_data="digits")["anomaly"].warning


def test_a_result_comes_back_from_json_as_it_was_written() -> None:
    """Fields stand in the details of JSON."""
    found = Result.of(
        Estimate(0.5, 0.1, 25, 0.3, 0.7), "by hand", {"seed": 0, "histogram": [1, 2]}, warnings=("few", "odd"),
        references={"real": Estimate(0.6, n=9, more={"sigma": 0.2})}, note="only an example",
    ).adding({"samples": "means"}, "late")  # fmt: skip
    written = found.to_dict()
    assert [*written] == ["value", "error", "n", "protocol", "fingerprint", "details"]
    assert {*written["details"]} == {
        "seed", "references", "histogram", "low", "high", "warning", "note", "samples",
    }  # fmt: skip
    assert written["details"]["references"] == {"real": {"value": 0.6, "sigma": 0.2, "n": 9}}
    assert written["details"]["warning"] == "few; odd; late"
    back = Result.from_dict(json.loads(dumps(written)))
    assert dumps(back.to_dict()) == dumps(written)
    assert back.references == found.references
    assert (back.estimate, back.note, back.warning) == (found.estimate, found.note, found.warning)
    assert {*back.details} == {"seed", "histogram", "samples"}


def test_given_samples_start_again_with_every_evaluation_and_not_with_a_mode() -> None:
    given = FixedSamples(Spec((1,), "real"), InMemory(torch.arange(10.0)[:, None]), "ten")
    first = given.sample(6)
    given.eval()
    given.train()
    assert sorted(torch.cat([first, given.sample(4)]).flatten().tolist()) == list(range(10))
    given.restart()
    assert sorted(given.sample(10).flatten().tolist()) == list(range(10))
