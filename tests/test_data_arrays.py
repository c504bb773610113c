"""Arrays as data: layouts, types and ranges of values, labels, splits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from counterfeit import catalogue
from counterfeit.common.files import DataError
from counterfeit.config.settings import Data
from counterfeit.data.sources.arrays import Arrays, adopt, read_arrays
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.kept import Kept, keep

GRAY = np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)


def whole(source):
    """All examples in their first order, which splits have shuffled."""
    x = torch.cat([source.split(name).first().x for name in ("train", "valid", "test")])
    return x[torch.argsort(x.flatten(1) @ torch.arange(1.0, 1 + x[0].numel()))]


def alike(a, b):
    return torch.equal(whole(a), whole(b))


@pytest.mark.parametrize(
    "same", [GRAY[:, None], GRAY[..., None], GRAY.astype(np.int64), GRAY.astype(np.uint16) * 257, GRAY.astype(np.int16)]
)
def test_layouts_and_integers_mean_the_same(same):
    assert alike(Arrays({"x": same}), Arrays({"x": GRAY}))
    assert Arrays({"x": same}).spec.shape == (1, 6, 5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_any_width_are_read(dtype):
    found = Arrays({"x": (GRAY / 255).astype(dtype)})
    assert torch.allclose(whole(found), whole(Arrays({"x": GRAY})), atol=2e-3)
    assert found.split("train").x.dtype == torch.float32


def test_channels_last_is_told_from_channels_first():
    assert alike(Arrays({"x": COLOR}), Arrays({"x": np.moveaxis(COLOR, -1, 1)}))
    assert Arrays({"x": COLOR}).spec.shape == (3, 6, 5)
    video = np.stack([COLOR[:10], COLOR[10:20]], 1)
    assert Arrays({"x": video}).spec.shape == Arrays({"x": np.moveaxis(video, -1, 2)}).spec.shape == (2, 3, 6, 5)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32, np.int64])
def test_zeros_and_ones_alone_are_binary(dtype):
    source = Arrays({"x": (GRAY > 99).astype(dtype)})
    assert source.spec.kind == "binary"
    assert set(whole(source).unique().tolist()) == {0.0, 1.0}


def test_black_and_white_of_eight_bits_stay_shades():
    assert Arrays({"x": (GRAY > 99).astype(np.uint8) * 255}).spec.kind == "image"


def test_rows_of_numbers_are_points():
    source = Arrays({"x": np.random.default_rng(0).normal(size=(40, 3)) * 25})
    assert (source.spec.kind, source.spec.shape) == ("real", (3,))
    assert Arrays({"x": np.arange(40.0)}).spec.shape == (1,)


def test_a_range_becomes_black_to_white_and_is_kept():
    deep = GRAY.astype(np.int32) * 16
    source = Arrays({"x": deep}, span=(0, 255 * 16))
    assert source.span == (0, 255 * 16)
    assert torch.allclose(whole(source), whole(Arrays({"x": GRAY})), atol=1e-6)
    assert alike(Arrays({"x": GRAY / 127.5 - 1}, span=(-1, 1)), Arrays({"x": GRAY / 127.5 - 1}, span=(-1, 1)))


@pytest.mark.parametrize(("x", "full"), [(GRAY // 8, 255), (GRAY.astype(np.uint16) * 16, 65535)])
def test_what_is_nearly_black_is_said(x, full):
    assert f"of {full}" in Arrays({"x": x}).warning
    assert "--data.range" in Arrays({"x": x}).warning
    assert not Arrays({"x": x}, span=(0, int(x.max()))).warning


def test_a_maximum_a_rounding_above_one_is_clipped():
    x = (GRAY / 255).astype(np.float32)
    x[0] = 1.0000001
    assert whole(Arrays({"x": x})).max() == 1


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (GRAY.astype(np.float32), "--data.range 0,255"),
        (GRAY / 127.5 - 1, "--data.range -1,1"),
        (GRAY.astype(np.int64) * 16, "integers from 0 to 255"),
        (np.where(GRAY > 99, np.nan, 0.5), "not finite"),
        (GRAY.astype(np.complex64), "complex"),
        (np.array(["a", "b"]), "dtype"),
        (GRAY[:0], "no rows"),
        (np.float32(1), "no rows"),
        (np.zeros((9, 4, 6, 5), np.uint8), "one or three channels"),
        (np.zeros((9, 0, 5), np.uint8), "no rows"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(x, said):
    with pytest.raises(DataError, match=said) as refusal:
        Arrays({"x": x})
    assert "\n" not in str(refusal.value)


def test_labels_become_classes_with_their_own_names():
    y = np.array([7, 3, 3] * 10)
    source = Arrays({"x": GRAY, "y": y})
    assert (source.spec.classes, source.class_names) == (2, ("3", "7"))
    splits = [source.split(name).first() for name in ("train", "valid", "test")]
    pairs = [(row, label) for split in splits for row, label in zip(*split, strict=True)]
    expected = {tuple(x.flatten().tolist()): str(label) for x, label in zip(GRAY, y.tolist(), strict=True)}
    assert all(source.called(int(y)) == expected[tuple((x * 255).round().int().flatten().tolist())] for x, y in pairs)


@pytest.mark.parametrize("y", [["cat", "dog", "dog"] * 10, np.eye(2)[[0, 1, 1] * 10], np.array([[0.0], [1], [1]] * 10)])
def test_labels_of_any_form_are_read(y):
    assert torch.bincount(Arrays({"x": GRAY, "y": np.asarray(y)}).split("train").y).tolist() == [8, 18]


@pytest.mark.parametrize("y", [np.arange(29), np.linspace(0, 1, 30), np.zeros((30, 4))])
def test_labels_that_do_not_fit_are_refused(y):
    with pytest.raises(DataError, match="30 examples"):
        Arrays({"x": GRAY, "y": y})


def test_splits_by_name_stay_as_they_are():
    y = np.arange(30) % 2
    source = Arrays({"x_train": GRAY[:20], "x_test": GRAY[20:], "y_train": y[:20], "y_test": y[20:]})
    assert source.sizes == {"train": 18, "valid": 2, "test": 10}
    assert torch.equal(source.split("test").x[:, 0], torch.from_numpy(GRAY[20:]))


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("arr_0", "arr_1"), ("data", "targets")])
def test_files_of_other_programs_are_read(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (GRAY, np.arange(30) % 3), strict=True)))
    source = catalogue.source(Data(str(tmp_path / "a.npz"), size=4))
    assert (source.spec.shape, source.spec.classes) == ((1, 4, 4), 3)
    np.save(tmp_path / "a.npy", GRAY)
    assert catalogue.source(str(tmp_path / "a.npy")).spec.shape == (1, 6, 5)


def test_a_file_with_objects_or_without_a_name_that_says_what_it_holds_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", left=GRAY, right=GRAY)
    with pytest.raises(DataError, match="left, right"):
        catalogue.source(str(tmp_path / "a.npz"))
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="objects are never loaded"):
        read_arrays(tmp_path / "b.npy")


class Pairs(Dataset):
    """Items as many programs make them."""

    def __len__(self):
        return 30

    def __getitem__(self, index):
        return torch.from_numpy(COLOR[index]).movedim(-1, 0) / 255, index % 3


def test_what_python_hands_over_means_the_same():
    expected = Arrays({"x": COLOR / 255, "y": np.arange(30) % 3})
    tensors = TensorDataset(torch.from_numpy(COLOR / 255), torch.arange(30) % 3)
    for data in (Pairs(), tensors, (COLOR / 255, [0, 1, 2] * 10), {"x": COLOR / 255, "y": torch.arange(30) % 3}):
        source = adopt(data)
        assert (source.spec, source.sizes) == (expected.spec, expected.sizes)
        assert torch.allclose(whole(source), whole(expected), atol=1e-6)
    digits = Digits()
    assert adopt(digits) is digits
    assert adopt(torch.rand(20, 1, 4, 4)).spec.shape == (1, 4, 4)


@pytest.mark.parametrize("data", [3, object(), [], None])
def test_what_is_no_data_is_refused(data):
    with pytest.raises(ValueError, match="is expected"):
        adopt(data)


SOURCES = {"digits": Digits(), "ring": catalogue.source("ring"), "binary": Arrays({"x": GRAY > 99})}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_kept_is_read_back_the_same(name, tmp_path):
    source = SOURCES[name]
    keep(source, tmp_path / "data.npz")
    again = Kept(tmp_path / "data.npz")
    assert (again.spec, again.sizes, [*again.class_names]) == (source.spec, source.sizes, [*source.class_names])
    for name in ("train", "valid", "test"):
        assert torch.equal(again.split(name).first().x, source.split(name).first().x)
    assert again.fingerprint == source.fingerprint
