"""The data sets: pixels, labels, splits."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from counterfeit import catalogue
from counterfeit.common.files import DataError
from counterfeit.config.settings import Evaluation
from counterfeit.data.downloads import File
from counterfeit.data.source import SPLITS
from counterfeit.data.sources import cifar10, mnist
from counterfeit.data.sources.cifar10 import CIFAR10
from counterfeit.data.sources.digits import Digits, MNISTSmall
from counterfeit.data.sources.mnist import MNIST, BinarizedMNIST
from counterfeit.data.sources.olivetti import Olivetti
from counterfeit.data.sources.tfd import TFD
from counterfeit.metrics.likelihood.parzen import PARZEN
from counterfeit.models.adversarial.gan import GAN
from counterfeit.nets.mlp import MLPPlayers


def needs(name):
    folder = Path(os.environ.get("COUNTERFEIT_DATA", "nowhere"))
    found = folder.is_dir() and any(folder.rglob(name))
    return pytest.mark.skipif(not found, reason=f"COUNTERFEIT_DATA holds no {name}")


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_DATA", str(tmp_path))
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path / "cache"))
    return tmp_path


MADE_OF_NOTHING = [name for name, cls in catalogue.sources().items() if "path" not in signature(cls).parameters]


@pytest.mark.parametrize("name", MADE_OF_NOTHING)
def test_every_split_is_like_its_spec_and_the_same_each_time(name, monkeypatch):
    monkeypatch.delenv("COUNTERFEIT_DATA", raising=False)  # what needs files has tests of its own
    try:
        source = catalogue.source(name)
        splits = [source.split(split).first(20) for split in SPLITS]
    except DataError as error:
        pytest.skip(str(error))
    assert torch.equal(catalogue.source(name).split("test").first(20).x, splits[-1].x)
    assert len(source.class_names) in {0, source.spec.classes}
    for x, y in splits:
        source.spec.check(x, f"the spec of {name}")
        assert y is None or len(y) == len(x)
        if y is not None and source.spec.classes:
            assert y.dtype == torch.int64
            assert 0 <= y.min() <= y.max() < source.spec.classes


def test_digits_equal_scikit_learns():
    ours, theirs = Digits(), load_digits()
    splits = [ours.split(name) for name in ("train", "valid", "test")]
    order = np.random.RandomState(0).permutation(1797)
    assert np.array_equal(torch.cat([s.x for s in splits])[:, 0].numpy(), theirs.images[order])
    assert np.array_equal(torch.cat([s.y for s in splits]).numpy(), theirs.target[order])


@needs("train-images-idx3-ubyte.gz")
def test_small_mnist_is_the_beginning_of_mnist():
    small, whole = MNISTSmall(), MNIST()
    x = torch.cat([small.split(name).first(10_000).x for name in ("train", "valid", "test")])
    y = torch.cat([small.split(name).first(10_000).y for name in ("train", "valid", "test")])
    batch = whole.split("train").first(10_000)
    assert torch.equal(x, batch.x)
    assert torch.equal(y, batch.y)


def test_digits_lie_in_the_unit_interval():
    x, y = Digits().split("train").first()
    assert (x.shape, x.dtype, x.min(), x.max()) == ((1297, 1, 8, 8), torch.float32, 0, 1)
    assert (y.dtype, sorted(set(y.tolist()))) == (torch.int64, list(range(10)))


def test_every_digit_is_in_every_split():
    for name, share in (("train", 0.09), ("valid", 0.05), ("test", 0.05)):
        counts = Digits().split(name).y.bincount(minlength=10) / len(Digits().split(name))
        assert counts.min() > share


def test_the_fingerprint_is_of_the_content():
    assert Digits().fingerprint == "5718574f882d2140"
    assert Digits(16).fingerprint != Digits().fingerprint


def test_resizing_keeps_the_mean_and_uses_all_shades():
    small, large = Digits(), Digits(32)
    assert large.spec.shape == (1, 32, 32)
    assert large.split("test").first().x.mean().sub(small.split("test").first().x.mean()).abs() < 0.01
    assert len(large.split("test").x.unique()) > 200


def test_the_native_size_leaves_the_content_alone():
    assert Digits(8).fingerprint == Digits().fingerprint


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_below_one_is_refused(size):
    with pytest.raises(ValueError, match="`size` is"):
        Digits(size)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match=r"no split 'dev'\. Take one of train, valid, test"):
        Digits().split("dev")


def test_idx_files_are_read_in_row_order():
    array = torch.arange(24, dtype=torch.uint8).view(2, 3, 4)
    data = struct.pack(">HBBiii", 0, 8, 3, 2, 3, 4) + bytes(range(24))
    assert torch.equal(mnist.read_idx(data), array)


def test_text_of_zeros_and_ones_is_packed():
    rows = np.random.RandomState(0).randint(0, 2, (3, 784))
    text = "\n".join(" ".join(map(str, row)) for row in rows) + "\n"
    assert np.array_equal(np.unpackbits(mnist.pack(text.encode()), axis=1), rows)


@needs("train-images-idx3-ubyte.gz")
def test_mnist_is_the_original():
    source = MNIST()
    assert source.sizes == {"train": 50_000, "valid": 10_000, "test": 10_000}
    assert source.split("train").y[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert source.split("test").first().x.mean().item() == pytest.approx(0.13251, abs=1e-5)
    assert source.fingerprint == "c156fa035daf1b4f"
    assert len(source.files) == 4
    assert all(source.files.values())


@needs("binarized_mnist.npz")
def test_binarized_mnist_is_the_published_one():
    source = BinarizedMNIST()
    means = {name: source.split(name).first().x.mean().item() for name in ("train", "valid", "test")}
    assert means == pytest.approx({"train": 0.13056, "valid": 0.13113, "test": 0.13251}, abs=1e-5)
    assert set(source.split("test").first(100).x.unique().tolist()) == {0, 1}
    assert (source.spec.kind, source.spec.classes) == ("binary", 0)


@needs("binarized_mnist.npz")
def test_binarized_mnist_equals_the_published_texts():
    arrays = np.load(next(Path(os.environ["COUNTERFEIT_DATA"]).rglob("binarized_mnist.npz")))
    for split, file in mnist.TEXTS.items():
        rows = np.unpackbits(arrays[split], axis=1)
        text = np.full((len(rows), 1568), ord(" "), np.uint8)
        text[:, ::2], text[:, -1] = rows + ord("0"), ord("\n")
        assert file.content(text.tobytes()) is not None


def test_binarized_mnist_is_made_from_texts_once(places, monkeypatch):
    rows = np.random.RandomState(0).randint(0, 2, (6, 784))
    texts = {}
    for split, two in zip(("train", "valid", "test"), rows.reshape(3, 2, 784), strict=True):
        (places / split).write_text("".join(" ".join(map(str, row)) + "\n" for row in two))
        texts[split] = File(split)
    packed = mnist.hashlib.sha256(np.packbits(rows, axis=1).tobytes()).hexdigest()
    monkeypatch.setattr(mnist, "TEXTS", texts)
    monkeypatch.setattr(mnist, "PACKED_SHA256", packed)
    first = BinarizedMNIST().split("valid").x
    for split in texts:
        (places / split).unlink()
    assert torch.equal(BinarizedMNIST().split("valid").x, first)
    assert np.array_equal(first.flatten(1).numpy(), rows[2:4])


def test_binary_data_are_not_resized():
    with pytest.raises(ValueError, match="binarized-mnist cannot be resized to 14"):
        BinarizedMNIST(14)


def test_missing_mnist_is_named(places, monkeypatch):
    monkeypatch.setattr(mnist, "TRAIN_IMAGES", File("train-images-idx3-ubyte.gz", ("0" * 32,)))
    with pytest.raises(DataError, match=r"^mnist needs train-images-idx3-ubyte\.gz"):
        MNIST().split("train")


def archive(examples):
    """A binary archive whose picture n of file f is of class n % 10 and has f, n % 256 and 7 in its channels."""
    buffer = io.BytesIO()
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for f, name in enumerate(names):
            n = np.arange(examples)
            rows = np.full((examples, 3073), 7, np.uint8)
            rows[:, 0], rows[:, 1:1025], rows[:, 1025:2049] = n % 10, f, (n % 256)[:, None]
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = rows.nbytes
            tar.addfile(info, io.BytesIO(rows.tobytes()))
    return buffer.getvalue()


def test_the_binary_archive_is_read_in_its_order():
    arrays = cifar10.read_archive(archive(3))
    assert (arrays["train_x"].shape, arrays["test_x"].shape) == ((15, 3, 32, 32), (3, 3, 32, 32))
    assert arrays["train_x"][:, 0, 0, 0].tolist() == [f for f in range(5) for _ in range(3)]
    assert arrays["test_x"][:, :, 5, 5].tolist() == [[5, n, 7] for n in range(3)]
    assert arrays["test_y"].tolist() == [0, 1, 2]


def test_cifar10_trains_on_the_first_four_batches(places, monkeypatch):
    (places / cifar10.ARCHIVE.name).write_bytes(archive(10_000))
    monkeypatch.setattr(cifar10, "ARCHIVE", File(cifar10.ARCHIVE.name))
    source = CIFAR10()
    assert source.sizes == {"train": 40_000, "valid": 10_000, "test": 10_000}
    assert [source.split(name).x[:, 0, 0, 0].unique().tolist() for name in ("train", "valid")] == [[0, 1, 2, 3], [4]]
    assert (source.variant, (places / "cache" / "cifar10.npz").exists()) == ("", True)


def small_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        for split in ("train", "test"):
            for label, name in enumerate(cifar10.CLASSES):
                buffer = io.BytesIO()
                Image.new("RGB", (32, 32), (20 * label, 0, 0)).save(buffer, "PNG")
                file.writestr(f"{split}/{name}/1.png", buffer.getvalue())


def test_pictures_stand_in_for_the_archive_with_the_classes_of_their_folders(places):
    small_zip(places / "x.zip")
    arrays = cifar10.read_pictures(places / "x.zip")
    for split in ("train", "test"):
        assert np.array_equal(arrays[f"{split}_x"][:, 0, 0, 0], 20 * arrays[f"{split}_y"])
    assert arrays["train_y"].tolist() != sorted(arrays["train_y"].tolist())


def test_a_stand_in_says_that_it_is_one(places, monkeypatch):
    small_zip(places / cifar10.JPEG)
    monkeypatch.setattr(cifar10, "ARCHIVE", File(cifar10.ARCHIVE.name))
    source = CIFAR10()
    arrays = source._arrays()
    assert "not the original" in source.variant
    assert source.files == {str(places / cifar10.JPEG): False}
    (kept,) = (places / "cache").glob("cifar10-jpeg-*.npz")
    assert np.array_equal(np.load(kept)["train_x"], arrays["train_x"])


@needs("olivettifaces.mat")
def test_olivetti_has_ten_upright_faces_of_each_person():
    source = Olivetti()
    assert source.sizes == {"train": 320, "valid": 40, "test": 40}
    assert source.split("train").y.bincount().tolist() == [8] * 40
    x = torch.cat([source.split(name).first().x for name in ("train", "valid", "test")])
    face = x.mean((0, 1))
    across, along = (face.sub(face.flip(axis)).abs().mean() for axis in (1, 0))
    assert across < along / 3  # left mirrors right, top does not mirror bottom
    assert all(source.files.values())


@pytest.fixture
def faces(places):
    random = np.random.RandomState(0)
    folds = np.stack([np.r_[np.zeros(20), random.permutation([1, 1, 1, 1, 1, 1, 2, 2, 3, 3])] for _ in range(5)], 1)
    labels = np.r_[-np.ones(20), np.arange(10) % 7 + 1]
    images = random.randint(0, 256, (30, 48, 48)).astype(np.uint8)
    savemat(places / "TFD_48x48.mat", {"images": images, "labs_ex": labels[:, None], "folds": folds})
    return images, labels, folds


@pytest.mark.parametrize("fold", range(5))
def test_tfd_follows_its_folds(faces, fold):
    images, labels, folds = faces
    source = TFD(fold=fold, train="labeled")
    for role, split in enumerate(("train", "valid", "test"), 1):
        here = folds[:, fold] == role
        assert np.array_equal(source.split(split).x[:, 0].numpy(), images[here])
        assert np.array_equal(source.split(split).y.numpy(), labels[here] - 1)


def test_tfd_trains_on_the_unlabeled_faces_unless_told_otherwise(faces):
    assert np.array_equal(TFD().split("train").x[:, 0].numpy(), faces[0][:20])
    assert (TFD().spec.classes, TFD().split("test").y) == (0, None)
    assert TFD(train="all").sizes == {"train": 26, "valid": 2, "test": 2}
    assert TFD(size=24, train="labeled").spec.shape == (1, 24, 24)


def test_the_folds_of_tfd_share_what_is_trained_on(faces):
    images, _, folds = faces
    for fold, source in enumerate(TFD(fold=2).folds):
        assert np.array_equal(source.split("test").x[:, 0].numpy(), images[folds[:, fold] == 3])
        assert torch.equal(source.split("train").x, TFD().split("train").x)
    with pytest.raises(ValueError, match="all came"):
        _ = TFD(train="all").folds
    with pytest.raises(ValueError, match="olivetti has no folds"):
        _ = Olivetti().folds


def test_the_parzen_window_over_folds_is_the_mean_over_them(faces, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))
    model = GAN(TFD(size=8).spec, MLPPlayers(hidden=(4,), discriminator_hidden=(4,)))
    asked = {"samples": 30, "metrics": ("parzen",)}
    alone = [PARZEN.compute(model, TFD(size=8, fold=fold), Evaluation(**asked)) for fold in range(5)]
    found = PARZEN.compute(model, TFD(size=8), Evaluation(**asked, folds=True))
    values = np.array([one.value for one in alone])
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / 5**0.5)
    assert found.details["by fold"] == [one.value for one in alone]
    assert found.details["sigmas"] == [one.details["sigma"] for one in alone]
    real = [one.references["real"].value for one in alone]
    assert found.references["real"].value == pytest.approx(np.mean(real))
    assert found.n == sum(one.n for one in alone)
    assert found.fingerprint not in {one.fingerprint for one in alone}


def test_tfd_says_that_it_is_not_public(places):
    with pytest.raises(DataError, match=r"tfd needs TFD_48x48\.mat.*TFD is not public: ask its authors"):
        TFD().split("train")


@pytest.mark.parametrize("others", [{}, {"labs_ex": [1, 2], "folds": [1]}])
def test_a_wrong_tfd_file_is_refused(places, others):
    savemat(places / "TFD_48x48.mat", {"images": np.zeros((2, 9)), **others})
    with pytest.raises(DataError, match=r"TFD_48x48\.mat .* expected"):
        TFD().split("train")


def test_a_text_file_is_no_tfd(places):
    (places / "TFD_48x48.mat").write_bytes(gzip.compress(b"not a matrix"))
    with pytest.raises(DataError, match="cannot be read"):
        TFD().split("train")


@pytest.mark.parametrize("wrong", [{"fold": 5}, {"train": "some"}])
def test_wrong_options_of_tfd_are_refused(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` is"):
        TFD(**wrong)
