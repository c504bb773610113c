"""What samples are asked to show: classes by name and number, captions, how many of each, and walks between codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import counterfeit as cf
from counterfeit.cli import main
from counterfeit.core import Batch, Spec
from counterfeit.data.conditions import arranged, conditions
from counterfeit.engine.previews import picture
from counterfeit.models.adversarial.cgan import CGAN
from counterfeit.nets.conv import ConvPlayers
from counterfeit.report.figures.walks import walk
from flat import flat

TINY = ConvPlayers(width=4, discriminator_width=4)
QUICK = {"train.batch_size": 8, "train.tensorboard": False, "train.threads": 1, "train.save_every": 1}
SMALL = {"model.width": 4, "model.discriminator_width": 4}
NAMES = ("boot", "coat", "shirt")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A conditional net on three classes with names, one of them rare."""
    y = np.array(["boot"] * 30 + ["coat"] * 60 + ["shirt"] * 10)
    x = np.random.default_rng(0).random((100, 8, 8))
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = {**QUICK, **SMALL, "data.size": None}
    return cf.train("cgan", data=(x, y), steps=1, out=out, settings=settings, show=False)


def refused(capsys, *words):
    assert main([*words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_labels_of_any_kind_mean_the_same(run):
    expected = run.sample(4, y=torch.tensor([2, 0, 0, 1]))
    for y in ([2, 0, 0, 1], ["shirt", "boot", "boot", "coat"], np.array([2, 0, 0, 1]), ["shirt", 0, "0", 1]):
        assert torch.equal(run.sample(4, y=y), expected)
    for one in ("coat", 1, "1", np.int64(1)):
        assert torch.equal(run.sample(3, y=one), run.sample(3, y=[1, 1, 1]))
    assert not torch.equal(run.sample(3, y="coat"), run.sample(3, y="boot"))


@pytest.mark.parametrize(
    ("y", "said"), [("hat", "one of boot, coat, shirt"), (3, "one of boot"), ([0, 1], "2 labels came for 4 samples")]
)
def test_labels_that_are_none_are_one_line(run, y, said):
    with pytest.raises(ValueError, match=said):
        run.sample(4, y=y)


def test_a_model_without_labels_says_so():
    with pytest.raises(ValueError, match="samples without labels"):
        conditions("3", 4, cf.source("digits"), 0)


def test_labels_nobody_asked_for_are_as_frequent_as_in_the_data():
    model = flat(CGAN, Spec((1, 8, 8), classes=3), nets=TINY)
    y = torch.tensor([0] * 10 + [1] * 70 + [2] * 20)
    model.initialize(Batch(torch.rand(100, 1, 8, 8), y))
    drawn = model.prior(20_000)[:, -3:].mean(0)
    assert torch.allclose(drawn, torch.tensor([0.1, 0.7, 0.2]), atol=0.015)


def test_a_grid_has_a_row_of_each_label(run):
    assert arranged(64, 10).tolist() == [[label] * 6 for label in range(10)]
    assert arranged(9, 40).shape == (3, 3)
    assert arranged(9, 40)[:, 0].tolist() == [0, 13, 26]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = run.model.sample(6, torch.tensor([0, 0, 1, 1, 2, 2])).detach()
        torch.manual_seed(0)
        grid = picture(run.model, run.source, 6)
    height = (grid.shape[0] - 2) // 3
    scale = -(-56 // 8)
    last = grid[2 * height + 2 : 2 * height + 2 + 8 * scale : scale, 2 : 2 + 8 * scale : scale]
    assert np.array_equal(last, (rows[4, 0] * 255).round().numpy().astype(np.uint8))


def test_classes_are_asked_for_on_the_command_line(run, tmp_path):
    out = tmp_path / "x.npy"
    assert main(["sample", str(run.path), "--class", "coat,shirt", "-n", "5", "--out", str(out)]) == 0
    assert np.array_equal(np.load(out), run.sample(5, y=[1, 1, 1, 2, 2]).numpy())
    assert main(["sample", str(run.path), "--per-class", "4", "--out", str(out)]) == 0
    assert np.array_equal(np.load(out), run.sample(12, y=[0] * 4 + [1] * 4 + [2] * 4).numpy())
    assert main(["sample", str(run.path), "--per-class", "4", "--class", "2", "--out", str(tmp_path / "x.png")]) == 0
    with Image.open(tmp_path / "x.png") as one:
        assert main(["sample", str(run.path), "--per-class", "4", "--out", str(tmp_path / "all.png")]) == 0
        with Image.open(tmp_path / "all.png") as all_rows:
            assert all_rows.height == 3 * one.height  # a row of each, below its name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--class", "hat"), "'hat'"), (("--class", "1", "--caption", "a coat"), "came together"),
        (("--caption", "a coat"), "without captions"), (("-n", "4", "--per-class", "4"), "came together"),
        (("-n", "0"), "at least 1"), (("--per-class", "0"), "at least 1"), (("--interpolate", "0"), "at least 1"),
        (("--interpolate", "2", "--steps", "1"), "at least 2"), (("--interpolate", "2", "--class", "1"), "together"),
        (("--interpolate", "2", "--out", "walk.mp4"), ".png, .gif"),
    ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_one_line(run, capsys, words, said):
    assert said in refused(capsys, "sample", str(run.path), *words)


def test_walks_go_from_code_to_code(run, tmp_path):
    straight, curved = (walk(run, 3, 5, path) for path in ("linear", "spherical"))
    assert straight.shape == (3, 5, 1, 8, 8)
    assert torch.allclose(straight[:, [0, -1]], curved[:, [0, -1]], atol=1e-5)
    assert not torch.allclose(straight[:, 2], curved[:, 2])
    for name in ("w.gif", "w.webp", "w.png", "w.npy"):
        assert main(["sample", str(run.path), "--interpolate", "3", "--steps", "5", "--out", str(tmp_path / name)]) == 0
    assert np.allclose(np.load(tmp_path / "w.npy"), curved.numpy())
    with Image.open(tmp_path / "w.webp") as video:
        assert video.n_frames == 8  # there and back


def test_points_walk_as_arrays(tmp_path):
    run = cf.train("gan-grid", steps=1, out=tmp_path / "run", settings=QUICK, show=False)
    assert walk(run, 2, 4).shape == (2, 4, 2)
    assert main(["sample", str(run.path), "--interpolate", "2", "--out", str(tmp_path / "w.npy")]) == 0
    assert main(["sample", str(run.path), "--interpolate", "2", "--out", str(tmp_path / "w.gif")]) == 2
