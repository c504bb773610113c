"""Pairs of pictures: outlines, digits in two domains, folders; and pix2pix, which makes the second from the first."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.config.settings import Data
from counterfeit.core import Batch, Clock, Spec
from counterfeit.data.sources.outlines import Outlines, outlines
from counterfeit.data.sources.paired_digits import PairedDigits
from counterfeit.data.sources.paired_folder import PairedFolder
from counterfeit.models.translation.pix2pix import Pix2Pix, Pix2PixPlayers
from counterfeit.nets.translation import SkipGenerator
from counterfeit.run.run import Run

SMALL = Pix2PixPlayers(width=4, discriminator_width=4)
PAIRS = Spec((3, 16, 16), given=(1, 16, 16))


def picture(folder, name, color, size=(12, 12)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


# ---- outlines


@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (1, 0)])
def test_the_outline_of_a_step_is_the_two_pixels_beside_it(rows, columns):
    x = torch.zeros(1, 1, 8, 8)
    x[:, :, 4 * rows :, 4 * columns :] = 1
    drawn = outlines(x)[0, 0]
    line = (drawn if columns else drawn.T)[0]
    assert line.tolist() == [1, 1, 1, 0, 0, 1, 1, 1]
    assert torch.equal(drawn, line.expand(8, 8) if columns else line[:, None].expand(8, 8))


def test_outlines_turn_with_pictures_and_do_not_depend_on_their_contrast():
    torch.manual_seed(0)
    x = torch.rand(5, 3, 16, 16)
    assert torch.equal(outlines(x.rot90(1, (2, 3))), outlines(x).rot90(1, (2, 3)))
    assert torch.equal(outlines(x), outlines(1 - x))
    assert torch.equal(outlines(x), outlines(0.5 * x + 0.25))
    assert bool((outlines(torch.full((1, 1, 8, 8), 0.3)) == 1).all())  # nothing to draw


def test_a_source_of_outlines_gives_each_picture_its_own():
    source = Outlines("digits")
    x, y = source.split("test").first(20)
    assert source.spec == Spec((1, 8, 8), given=(1, 8, 8))
    assert torch.equal(y, outlines(x))
    assert dict(source.sizes) == {"train": 1297, "valid": 250, "test": 250}


def test_outlines_of_ones_own_pictures(tmp_path):
    for i in range(12):
        picture(tmp_path, f"{i}.png", (255, 20 * i, 0))
    assert Outlines(str(tmp_path), size=8).spec == Spec((3, 8, 8), given=(1, 8, 8))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"of": "nothing"}, "data.options.of: 'nothing' came"), ({"threshold": 1.5}, "threshold: 1.5 came")],
)
def test_outlines_refuse_what_they_do_not_know(arguments, said):
    with pytest.raises(ValueError, match=said):
        Outlines(**arguments)


# ---- digits in two domains


def test_each_paired_digit_is_in_both_domains():
    source = PairedDigits(domains=("plain", "red+shifted"), digits="digits")
    x, y = source.split("valid").first(30)
    assert source.spec == Spec((3, 8, 8), given=(3, 8, 8))
    torch.testing.assert_close(source.truth(y), x, atol=1 / 255, rtol=0)
    with pytest.raises(ValueError, match="two are expected"):
        PairedDigits(domains=("plain", "red", "negative"), digits="digits")


# ---- folders


def pairs(folder, name, pairing, **options):
    return catalogue.source(Data(str(folder / name if name else folder), pairs=pairing, options=options))


def test_pictures_of_one_name_in_two_folders_belong_together(tmp_path):
    for i in range(20):
        picture(tmp_path, f"A/{i}.png", (10 * i, 10 * i, 10 * i))
        picture(tmp_path, f"B/{i}.jpg", (0, 10 * i, 255))
    source = pairs(tmp_path, "", "folders")
    assert isinstance(source, PairedFolder)
    assert source.spec == Spec((3, 12, 12), given=(1, 12, 12))
    x, y = source.split("train").first()
    assert len(x) == 18
    torch.testing.assert_close(y[:, 0, 0, 0], x[:, 1, 0, 0], atol=0.02, rtol=0)
    swapped = pairs(tmp_path, "", "folders", swap=True)
    assert swapped.spec == Spec((1, 12, 12), given=(3, 12, 12))
    assert swapped.fingerprint != source.fingerprint


@pytest.mark.parametrize("names", [("train/A", "test/A"), ("trainA", "testA"), ("data/train_A", "data/test_A")])
def test_splits_of_pairs_are_folders(tmp_path, names):
    for name, count in zip(names, (11, 3), strict=True):
        for i in range(count):
            picture(tmp_path, f"{name}/{i}.png", (i, i, i))
            picture(tmp_path, f"{name[:-1]}B/{i}.png", (i, 0, 0))
    source = pairs(tmp_path, "", "folders")
    assert source.sizes["test"] == 3
    x, y = source.split("test").first()
    assert torch.equal(y[:, 0], x[:, 0])


def test_halves_of_pictures_belong_together(tmp_path):
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as file:
        for i in range(12):
            image = Image.new("RGB", (20, 10), (0, 0, 20 * i))
            image.paste((20 * i, 20 * i, 20 * i), (0, 0, 10, 10))
            image.save(tmp_path / "one.png")
            file.write(tmp_path / "one.png", f"{i}.png")
    source = pairs(tmp_path, "pairs.zip", "halves")
    assert source.spec == Spec((3, 10, 10), given=(1, 10, 10))
    x, y = source.split("train").first()
    assert torch.equal(y[:, 0], x[:, 2])


@pytest.mark.parametrize(
    ("files", "pairing", "said"),
    [
        (("A/1.png", "B/2.png"), "folders", "A/1.png has no partner of its name in B"),
        (("A/1.png", "B/1.png", "B/2.png"), "folders", "B/2.png has no partner of its name in A"),
        (("1.png", "2.png"), "folders", "1.png lies in no folder A or B"),
        (("odd.png",), "halves", "has 13 columns; an even number is expected"),
    ],
)
def test_pairs_that_are_none_are_named(tmp_path, files, pairing, said):
    for name in files:
        picture(tmp_path, name, (0, 0, 0), (13, 12) if name == "odd.png" else (12, 12))
    with pytest.raises(DataError, match=said):
        pairs(tmp_path, "", pairing)


def test_pairs_of_other_sizes_are_named(tmp_path):
    picture(tmp_path, "A/1.png", (0, 0, 0))
    picture(tmp_path, "B/1.png", (0, 0, 0), (10, 12))
    with pytest.raises(DataError, match="12x12 and 10x12 pixels; equal ones are expected"):
        pairs(tmp_path, "", "folders")
    assert catalogue.source(Data(str(tmp_path), size=8, pairs="folders")).spec.given == (1, 8, 8)
    picture(tmp_path, "A/2.png", (0, 0, 0), (6, 6))
    picture(tmp_path, "B/2.png", (0, 0, 0), (6, 6))
    with pytest.raises(DataError, match=r"2\.png has 6x6 pixels, others 12x12"):
        pairs(tmp_path, "", "folders")


def test_data_that_are_no_folder_take_no_pairs():
    with pytest.raises(ValueError, match=r"data.pairs came; digits takes none"):
        catalogue.source(Data("digits", pairs="halves"))


# ---- the model


def test_losses_are_those_of_the_paper():
    torch.manual_seed(0)
    model = Pix2Pix(PAIRS, SMALL, error_weight=7.0)
    model.generator.ups[0][-1].keep = 1 - 1e-9  # no dropout
    real = Batch(torch.rand(6, 3, 16, 16), torch.rand(6, 1, 16, 16).round())
    first, second = (model.updates(lambda: real, Clock(1, 10)) for _ in range(2))
    fake = model.generator(real.y)
    on_real, on_fake = (model.discriminator(torch.cat([real.y, x], 1)) for x in (real.x, fake))
    ones = torch.ones_like(on_real)
    update = next(first)
    both = binary_cross_entropy_with_logits(on_real, ones) + binary_cross_entropy_with_logits(on_fake, 0 * ones)
    torch.testing.assert_close(update.loss, both / 2)  # half of it, so that D learns slowly beside G
    assert update.parts == ("discriminator",)
    next(second)
    move = next(second)
    expected = binary_cross_entropy_with_logits(on_fake, ones) + 7 * l1_loss(2 * fake - 1, 2 * real.x - 1)
    torch.testing.assert_close(move.loss, expected, atol=1e-3, rtol=0)  # dropout cannot be quite 0
    alone = Pix2Pix(PAIRS, SMALL, adversarial_weight=0.0)
    assert [update.parts for update in alone.updates(lambda: real, Clock(1, 10))] == [("generator",)]


def test_every_level_reaches_the_output():
    torch.manual_seed(0)
    net = SkipGenerator(PAIRS, 1, 4, 0.0).eval()
    given = torch.rand(1, 1, 16, 16)
    before = net(given)
    for level in net.downs:
        weight = level[-1].weight if isinstance(level[-1], torch.nn.Conv2d) else level[1].weight
        with torch.no_grad():
            kept = weight.clone()
            weight.normal_()
            assert float((net(given) - before).abs().max()) > 1e-4
            weight.copy_(kept)


def test_a_sketch_becomes_a_picture(tmp_path, capsys):
    settings = ["--steps", "2", "--train.tensorboard", "false", "--model.width", "4"]
    settings += ["--model.discriminator_width", "4"]
    data = ("--data.options.of", "digits", "--evaluate.max_examples", "40", "--evaluate.features", "pixels")
    assert main(["train", "pix2pix", "--out", str(tmp_path / "run"), *settings, *data]) == 0
    run = Run(tmp_path / "run")
    results = run.evaluate("rendering", max_examples=40, features="pixels")
    assert {*results} == {"rendering-error", "rendering-distance", "rendering-sharpness", "rendering-fid"}
    assert {"mean picture", "given"} <= {*results["rendering-error"].references}
    sketch = Image.new("RGB", (90, 60), "white")
    ImageDraw.Draw(sketch).line((40, 10, 45, 50), "black", 4)
    sketch.save(tmp_path / "sketch.png")
    capsys.readouterr()
    drawn = str(tmp_path / "drawn.png")
    assert main(["translate", str(tmp_path / "run"), "--input", str(tmp_path / "sketch.png"), "--out", drawn]) == 0
    assert "1 image made of given ones" in capsys.readouterr().err
    assert np.asarray(Image.open(drawn)).shape == (8, 8)
    assert main(["translate", str(tmp_path / "run"), "--count", "5"]) == 0
    assert main(["translate", str(tmp_path / "run"), "--to", "3"]) == 2
    assert "makes one kind of pictures of another" in capsys.readouterr().err


def test_data_without_pairs_are_refused(capsys, tmp_path):
    assert main(["train", "pix2pix", "--data", "digits", "--out", str(tmp_path / "run")]) == 2
    assert "pairs of images are expected" in capsys.readouterr().err
