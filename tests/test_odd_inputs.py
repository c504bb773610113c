"""What people bring: odd files go through the command line and train, or one line says what they need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.config.nested import merge, nest
from counterfeit.core import Batch, Samples, Spec
from counterfeit.models.adversarial.puzzlegan import PuzzleGAN
from counterfeit.models.adversarial.semi_supervised_gan import SemiSupervisedGAN
from counterfeit.models.autoregressive.shared.model import Autoregressive
from counterfeit.nets.conv import ConvPlayers
from counterfeit.run.run import Run

GENERATOR = np.random.default_rng(0)
QUICK = ("--train.steps", "2", "--train.save_every", "2", "--train.batch_size", "8", "--no-evaluate", "--no-report")
WORDS = (*QUICK, "--train.tensorboard", "false")
SETTINGS = {"train.batch_size": 8, "train.tensorboard": False}


def blobs(count=40, side=24):
    """Soft spots at random places, float64 (count, side, side) in [0, 1]."""
    y, x = np.mgrid[:side, :side]
    return np.stack(
        [
            np.exp(
                -((x - GENERATOR.uniform(6, 18)) ** 2 + (y - GENERATOR.uniform(6, 18)) ** 2) / GENERATOR.uniform(8, 40)
            )
            for _ in range(count)
        ]
    )


def pictures(folder, arrays, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{i}{suffix}")
    return folder


def train(out, data, *words, recipe="gan"):
    assert main(["train", recipe, "--data", str(data), "--out", str(out), *WORDS, *words]) == 0
    return Run(out)


def refused(capsys, *words):
    assert main([*words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    return lines[-1]


def test_twelve_bits_are_said_and_their_range_is_kept_and_undone(tmp_path, capsys):
    folder = pictures(tmp_path / "deep", (blobs() * 4095).astype(np.uint16))
    train(tmp_path / "dark", folder)
    assert "nearly black: where 4095 is white, add --data.range 0,4095" in " ".join(capsys.readouterr().err.split())
    run = train(tmp_path / "run", folder, "--data.range", "0,4095")
    assert run.config.data.range == (0, 4095)
    assert run.source.split("train").first().x.max() > 0.9
    assert main(["sample", str(run.path), "-n", "9", "--out", str(tmp_path / "x.npy")]) == 0
    x = np.load(tmp_path / "x.npy")
    assert np.allclose(x, run.sample(9).numpy() * 4095)
    words = ("--data", str(folder), "--data.range", "0,4095", "--metrics", "nearest", "--samples", "9")
    assert main(["evaluate", str(tmp_path / "x.npy"), *words]) == 0


def test_floats_in_tiffs_are_read_from_the_lowest_to_the_highest(tmp_path, capsys):
    arrays = (blobs() * 3000 - 500).astype(np.float32)
    run = train(tmp_path / "run", pictures(tmp_path / "tiffs", arrays, ".tiff"))
    assert run.source.span == (pytest.approx(arrays.min()), pytest.approx(arrays.max()))
    assert "all that there are, become black to white" in " ".join(capsys.readouterr().err.split())
    assert main(["resume", str(run.path), "--train.steps", "3", "--no-evaluate", "--no-report"]) == 0


@pytest.mark.parametrize("range_", ["5", "4095,0", "low,high", "0,nan", "1,2,3"])
def test_a_range_that_is_none_is_refused(tmp_path, capsys, range_):
    folder = pictures(tmp_path / "deep", (blobs(10) * 255).astype(np.uint8))
    words = ("--data", str(folder), "--data.range", range_, "--out", str(tmp_path / "run"))
    assert "LOW,HIGH" in refused(capsys, "train", "gan", *words)
    assert not (tmp_path / "run").exists()


def test_settings_that_the_data_do_not_take_are_refused(tmp_path, capsys):
    for key, value in (("range", "0,3"), ("frames", "4"), ("every", "2")):
        words = ("train", "gan", "--data", "digits", f"--data.{key}", value, "--out", str(tmp_path / "run"))
        assert f"data.{key} came; digits takes none" in refused(capsys, *words)


@pytest.mark.parametrize("names", [("arr_0", "arr_1"), ("images", "labels")])
def test_arrays_of_other_programs_are_trained_on_and_evaluated(tmp_path, names):
    x = GENERATOR.integers(0, 256, (120, 12, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", **dict(zip(names, (x, GENERATOR.integers(0, 10, 120)), strict=True)))
    run = train(tmp_path / "run", tmp_path / "a.npz")
    assert (run.source.spec.shape, run.source.spec.classes) == ((3, 12, 12), 10)
    words = ("--data", str(tmp_path / "a.npz"), "--metrics", "nearest", "--samples", "30")
    assert main(["evaluate", str(tmp_path / "a.npz"), *words]) == 0


def test_films_of_ones_own_are_foreseen(tmp_path):
    for i in range(12):
        folder = tmp_path / "videos" / f"video{i}"
        folder.mkdir(parents=True)
        for t in range(8):
            frame = np.zeros((16, 16), np.uint8)
            frame[t : t + 4, i % 12 : i % 12 + 4] = 255
            Image.fromarray(frame).save(folder / f"{t}.png")
    words = ("--data.size", "16", "--data.frames", "8", "--model.width", "4", "--model.discriminator_width", "4")
    run = train(tmp_path / "run", tmp_path / "videos", *words, recipe="next-frame")
    assert run.source.spec.shape == (8, 1, 16, 16)
    assert main(["data", "check", str(tmp_path / "videos"), "--data.frames", "8"]) == 0


def test_no_class_vanishes_from_a_split(tmp_path, capsys):
    for label, (name, count) in enumerate({"red": 60, "green": 20, "blue": 7}.items()):
        arrays = np.zeros((count, 8, 8, 3), np.uint8)
        arrays[..., label] = 200
        pictures(tmp_path / "classes" / name, arrays)
    run = train(tmp_path / "run", tmp_path / "classes")
    for split in ("train", "valid", "test"):
        assert run.source.split(split).labels.unique().tolist() == [0, 1, 2]
    assert "5% of every class" in " ".join(capsys.readouterr().err.split())


def test_what_python_hands_over_is_kept_and_every_verb_finds_it(tmp_path):
    x = (blobs(60, 12) * 255).astype(np.uint8)
    data = TensorDataset(torch.from_numpy(x[:, None]), torch.arange(60) % 2)
    run = cf.train("gan", data=data, steps=2, out=tmp_path / "run", settings=SETTINGS, show=False)
    moved, samples = tmp_path / "elsewhere", run.sample(3)
    run.path.rename(moved)
    again = cf.Run(moved)
    assert again.source.fingerprint == run.source.fingerprint
    assert torch.equal(again.sample(3), samples)
    words = ("--out", str(tmp_path / "same"), "--no-evaluate", "--no-report")
    assert main(["train", str(moved / "run.yaml"), *words]) == 0
    assert torch.equal(cf.Run(tmp_path / "same").sample(3), samples)
    assert main(["resume", str(moved), "--train.steps", "3", "--no-evaluate"]) == 0
    assert main(["evaluate", str(moved), "--metrics", "nearest", "--samples", "20"]) == 0


def test_paths_and_sources_are_data(tmp_path):
    folder = pictures(tmp_path / "Bilder & mehr é", (blobs(20, 12) * 255).astype(np.uint8))
    run = cf.train("gan", data=folder, steps=1, out=tmp_path / "a", settings=SETTINGS, show=False)
    from_source = cf.train("gan", data=run.source, steps=1, out=tmp_path / "b", settings=SETTINGS, show=False)
    assert from_source.source.fingerprint == run.source.fingerprint
    assert torch.equal(from_source.sample(2), run.sample(2))


def test_data_that_are_none_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="values from"):
        cf.train("gan", data=blobs(20) * 9, out=tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()


# ---- every recipe on data that it was not made for

ODD = {
    "rgb": (40, (20, 28, 3)), "gray64": (40, (64, 64)), "gray24": (40, (24, 24)), "one": (1, (32, 32, 3)),
    "seven": (7, (32, 32, 3)),
}  # fmt: skip
NEEDS = {  # a line that says what is missing, where data lack what a model is about
    "labels": r"labels|classes came.*expects 2", "captions": "without captions",
    "videos": "numbered frames|frames; 15 are",
    "binary": "Add `binarize`", "changes": "values that change are expected",
    "pairs": "pairs of images are expected",
    "pair": "3 classes came; CycleGAN expects 2", "sound": "expects real. Choose sound",
    "texts": "kind 'image' came; sentence-.* expects tokens",
}  # fmt: skip
OWN = {"train.steps": 1, "train.save_every": 1, "train.batch_size": 4, "train.tensorboard": False, "train.threads": 1}
LACKING = {
    **dict.fromkeys(("acgan", "cgan", "classifier", "semi-supervised-gan", "stargan"), "labels"),
    "semi-supervised-aae": "labels",
    **dict.fromkeys(("cyclegan", "cyclegan-cifar10"), "labels"),
    **dict.fromkeys(("pix2pix", "pix2pix-olivetti"), "pairs"),
    "text2image": "captions", "next-frame": "videos", "wavenet": "sound",
    **dict.fromkeys(("sentence-rnn", "sentence-vae"), "texts"),
    **dict.fromkeys(("full-table", "independent", "markov"), "binary"),
    **{name: "binary" for name in catalogue.recipes() if name.startswith(("fvsbn", "nade", "made"))},
}  # fmt: skip


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd")
    for name, (count, shape) in ODD.items():
        pictures(root / name, GENERATOR.integers(0, 256, (count, *shape)).astype(np.uint8))
    for name, count in {"red": 60, "green": 20, "blue": 7}.items():
        pictures(root / "three" / name, GENERATOR.integers(0, 256, (count, 20, 28, 3)).astype(np.uint8))
    return root


STILL = {"rnade", "nice", "real-nvp", "maf", "iaf", "spline-flow"}  # which standardize by what values vary


def lacking(recipe, data):
    """What the data lack for the recipe, "" for nothing."""
    still = data == "one" and catalogue.recipe(recipe).settings["model"]["name"] in STILL
    lack = "changes" if still else LACKING.get(recipe, "")
    if lack == "videos" and data in ("rgb", "gray64", "gray24"):
        return ""  # forty numbered pictures are frames of a video
    if lack == "labels" and data == "three":
        return "pair" if recipe.startswith("cyclegan") else ""
    return lack


# one recipe of each model: what data need is the model's
NAMES = sorted(catalogue.recipes(), reverse=True)
ONE_EACH = {catalogue.recipe(name).settings["model"]["name"]: name for name in NAMES}
ONE_EACH["real-nvp"] = "real-nvp-mnist"  # whose smoke settings are those of nets for pictures


def one_by_one(model):
    """Whether a draw takes as many passes as an example has values: large pictures are for minutes, not for tests."""
    return model == "iaf" or issubclass(catalogue.model_class(model), Autoregressive)


@pytest.mark.parametrize("data", [*ODD, "three"])
@pytest.mark.parametrize("recipe", sorted(ONE_EACH.values()))
def test_every_recipe_trains_on_odd_data_or_says_what_it_needs(recipe, data, odd, tmp_path):
    chosen = catalogue.recipe(recipe)
    given = {"data.name": str(odd / data), **({"data.size": None} if data == "gray24" else {})}
    if one_by_one(chosen.model):
        given["data.size"] = 8
    model = {"model": {key: value for key, value in chosen.smoke.get("model", {}).items() if key != "patch_size"}}
    settings = merge(model, nest(OWN | given))
    go = lambda: cf.train(recipe, out=tmp_path / "run", settings=settings, show=False)  # noqa: E731
    if lack := lacking(recipe, data):
        with pytest.raises(ValueError, match=NEEDS[lack]) as refusal:
            go()
        assert "\n" not in str(refusal.value)
        assert not (tmp_path / "run").exists()
    else:
        run = go()
        assert run.sample(2).isfinite().all() if isinstance(run.model, Samples) else run.state["step"] == 1


def test_vectors_of_bits_train_where_they_are_said_to_be_bits(tmp_path):
    np.save(tmp_path / "bits.npy", GENERATOR.random((40, 6)) < 0.5)
    run = train(tmp_path / "run", tmp_path / "bits.npy", "--data.transforms", "[binarize]", recipe="made")
    assert run.source.spec == Spec((6,), "binary")
    assert main(["sample", str(tmp_path / "run"), "-n", "3"]) == 0  # where no picture is, an array
    assert np.load(tmp_path / "run" / "samples.npy").shape == (3, 6)


def test_the_size_of_a_recipes_pictures_is_none_of_a_tables(tmp_path, capsys):
    rows = GENERATOR.integers(0, 2, (40, 5))
    np.savetxt(tmp_path / "bits.csv", rows, delimiter=",", header="a,b,c,d,e", comments="")
    np.save(tmp_path / "bits.npy", rows)
    bits = ("--data.transforms", "[binarize]")
    assert train(tmp_path / "a", tmp_path / "bits.csv", *bits, recipe="markov").source.spec == Spec((5,), "binary")
    words = ("train", "markov", "--data", str(tmp_path / "bits.npy"), "--out", str(tmp_path / "b"), *WORDS, *bits)
    assert "holds examples of shape (5,), pictures are expected" in refused(capsys, *words)
    assert main([*words, "--data.size", "null"]) == 0
    said = refused(capsys, "train", "markov", "--data", str(tmp_path / "bits.csv"), "--data.size", "4")
    assert "data.size came" in said  # by the person who asks for it


@pytest.mark.parametrize("holds", [[], [".DS_Store"], ["read me.md"]])
def test_a_folder_without_data_is_named_whatever_options_came(holds, tmp_path, capsys):
    for name in holds:
        (tmp_path / name).write_bytes(b"x")
    for options in ((), ("--data.options", "{length: 64}")):
        said = refused(capsys, "train", "wavenet", "--data", str(tmp_path), "--out", str(tmp_path / "run"), *options)
        assert "holds no pictures or WAV files" in said


def test_few_labels_follow_the_classes():
    x, y = torch.rand(87, 1, 8, 8), torch.tensor([0] * 60 + [1] * 20 + [2] * 7)
    model = SemiSupervisedGAN(Spec((1, 8, 8), classes=3), nets=ConvPlayers(width=4, discriminator_width=4))
    model.initialize(Batch(x, y))
    for label, count in ((0, 10), (1, 10), (2, 7)):  # all seven of the smallest, three of them twice
        chosen = model.labelled_x[model.labelled_y == label]
        assert (len(chosen), len(chosen.unique(dim=0))) == (10, count)
        assert (chosen[:, None] == x[y == label]).flatten(2).all(2).any(1).all()


@pytest.mark.parametrize(("side", "size"), [(28, 8), (24, 6), (8, 2), (64, 8)])
def test_patches_of_a_puzzle_follow_the_pictures(side, size):
    model = PuzzleGAN(Spec((1, side, side)), nets=ConvPlayers(width=4, discriminator_width=4))
    assert model.cut(torch.rand(1, 1, side, side))[0].shape == (1, 3, 1, size, size)
