"""Scores of single examples: likelihoods in nats of the data as given, p-values, files, pages and the command."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from counterfeit.cli import main
from counterfeit.core import Batch, Density, Model, Spec
from counterfeit.data.source import InMemory, Source, transformed
from counterfeit.data.user_images import read_examples, read_inputs
from counterfeit.inference.scoring import Detects, in_bits, p_values, score, scores_of
from counterfeit.report.score_page import ScoredExamples, page
from counterfeit.run.run import train
from counterfeit.transforms import build


class Normal(Model):
    """A standard normal density of every value."""

    def __init__(self, spec) -> None:
        super().__init__(spec)
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def updates(self, draw, clock):
        raise NotImplementedError

    def log_prob(self, x):
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).flatten(1).sum(1)


class Shades(Source):
    name, summary = "shades", "uniform gray levels"

    def __init__(self) -> None:
        self.spec = Spec((1, 4, 4))
        levels = torch.randint(256, (300, 1, 4, 4), generator=torch.Generator().manual_seed(0))
        self.x = levels.to(torch.uint8)

    def split(self, name):
        return InMemory(self.x)


def test_likelihoods_are_carried_back_through_transforms():
    source = transformed(Shades(), build(["dequantize", "logit"]))
    x = source.split("test").first(50).x
    found = score(Normal(source.spec), source, Batch(x))
    assert found.by == "log-density"
    u = x.double().requires_grad_()
    back = build(["logit"]).inverse(u)  # the density of u on [0, 1] is that of x over the slope of u in x
    slope = torch.autograd.grad(back.sum(), u)[0].log().flatten(1).sum(1)
    assert found.nats.tolist() == pytest.approx((Normal(source.spec).log_prob(x).double() - slope).tolist(), abs=1e-4)
    assert found.bits.tolist() == pytest.approx((8 - found.nats / (16 * math.log(2))).tolist())
    assert torch.equal(found.anomaly, -found.nats)


def test_bits_of_one_example_and_of_several_agree():
    source, nats = Shades(), torch.tensor([-3.0, 2.0])
    assert in_bits(nats, source).tolist() == pytest.approx([in_bits(-3.0, source), in_bits(2.0, source)])


def test_p_values_count_held_out_scores_at_least_as_high():
    held_out, found = torch.tensor([3.0, 1.0, 2.0, 2.0]), torch.tensor([0.0, 1.0, 2.0, 2.5, 3.0, 9.0])
    expected = [(1 + sum(float(h) >= float(f) for h in held_out)) / 5 for f in found]
    assert p_values(found, held_out).tolist() == pytest.approx(expected)


def test_p_values_of_held_out_data_are_uniform():
    draw = torch.Generator().manual_seed(1)
    held_out, found = (torch.randn(4_000, generator=draw) for _ in range(2))
    p = p_values(found, held_out)
    for level in (0.05, 0.25, 0.5, 0.9):
        error = math.sqrt(level * (1 - level) * 2 / 4_000)
        assert float((p <= level).float().mean()) == pytest.approx(level, abs=4 * error)


def test_a_score_that_asks_for_labels_is_left_out_without_them():
    class Asks(Normal):
        conditional = True

        def discriminator_outputs(self, x, y=None):
            return x.flatten(1)[:, :1]

    model = Asks(Spec((2,), "real"))
    assert isinstance(model, Detects)
    assert isinstance(model, Density)
    assert scores_of(model) == ["log-density", "discriminator"]
    assert scores_of(model, labelled=False) == ["log-density"]
    with pytest.raises(ValueError, match=r"has log-density\. Choose one"):
        score(model, Shades(), Batch(torch.zeros(1, 2)), "discriminator")


def test_a_score_that_is_no_number_names_the_example():
    class Undefined(Normal):
        def log_prob(self, x):
            return torch.where(x[:, 0] > 1, torch.nan, x[:, 0])

    class Points(Shades):
        def __init__(self) -> None:
            self.spec = Spec((2,), "real")

    with pytest.raises(ValueError, match="of example 1 is not a number"):
        score(Undefined(Spec((2,), "real")), Points(), Batch(torch.tensor([[0.0, 0.0], [2.0, 0.0]])))


def test_pictures_pass_through_the_transforms_of_the_data(tmp_path):
    pixels = np.arange(0, 256, 16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    source = transformed(Shades(), build(["symmetric", "flatten"]))
    found = read_inputs(tmp_path / "a.png", source)
    assert found.x.shape == found.mask.shape == (1, 16)
    assert found.x[0] == pytest.approx(torch.from_numpy(pixels.flatten() / 127.5 - 1).float(), abs=1e-6)


def test_arrays_and_pictures_are_named(tmp_path):
    pixels = np.full((4, 4), 51, np.uint8)
    (tmp_path / "some").mkdir()
    Image.fromarray(pixels).save(tmp_path / "some" / "a.png")
    np.save(tmp_path / "b.npy", np.stack([pixels, 255 - pixels])[:, None])
    names, x = read_examples([tmp_path / "some", tmp_path / "b.npy"], Shades())
    assert [name.rpartition("/")[2] for name in names] == ["a.png", "b.npy[0]", "b.npy[1]"]
    assert x[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.2, 0.8])


def test_pages_escape_names_and_show_both_ends():
    names = [f"<b>{i}" for i in range(6)]
    x, source = torch.rand(6, 1, 4, 4), Shades()
    found = score(Normal(source.spec), source, Batch(x))
    text = page("Scores", "a density", ScoredExamples(names, x, found, p_values(found.anomaly, found.anomaly)), 2)
    assert "<b>" not in text
    assert text.count("<img") == 4
    order = found.anomaly.argsort(descending=True).tolist()
    places = [text.index(f"&lt;b&gt;{i}</div>") for i in (order[0], order[1], order[-1], order[-2])]
    assert places == sorted(places)


# ---- the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train("vae", steps=400, out=tmp_path_factory.mktemp("runs") / "vae", show=False)


def test_noise_is_stranger_than_digits(run, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 2, (5, 8, 8)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    digits = run.source.split("test").first(5).x.numpy()
    np.save(tmp_path / "digits.npy", digits)
    files = [str(tmp_path / name) for name in ("noise.npy", "digits.npy")]
    assert main(["score", str(run.path), *files, "--out", str(tmp_path / "s.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    strange, usual = ([float(row["nats"]) for row in rows[i : i + 5]] for i in (0, 5))
    assert max(strange) < min(usual)
    assert max(float(row["p_value"]) for row in rows[:5]) < 0.02
    printed = capsys.readouterr().out
    assert "noise.npy[0]" in printed
    assert "digits.npy[4]" in printed
    assert (tmp_path / "s.html").is_file()


def test_a_split_is_scored_as_the_metric_scores_it(run, tmp_path, capsys):
    out = tmp_path / "s.json"
    assert main(["score", str(run.path), "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["by"], said["n"]) == ("elbo", 250)
    rows = json.loads(out.read_text())["rows"]
    mean = sum(row["nats"] for row in rows) / len(rows)
    elbo = run.evaluate("elbo")["elbo"]
    assert mean == pytest.approx(elbo.value, abs=4 * elbo.error / math.sqrt(len(rows)) + 0.5)
    assert rows[3]["bits_per_dim"] == pytest.approx(-rows[3]["nats"] / (64 * math.log(2)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "energy"], "VAE has elbo, reconstruction"),
        (["--by", "beauty"], "log-density, elbo, energy"),
        (["nothing.png"], "does not exist"),
        (["--out", "x.txt"], "a .csv or .json is expected"),
        (["--top", "0"], "at least 1"),
    ],
)
def test_bad_requests_get_one_line(run, words, said, capsys):
    assert main(["score", str(run.path), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
