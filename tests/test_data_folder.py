"""Folders and zips of pictures."""

import multiprocessing
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image

from counterfeit.common.files import DataError
from counterfeit.data.folder_layout import arrange
from counterfeit.data.image_files import find_pictures
from counterfeit.data.sources.folder import Folder


def shade(number):
    return 2 * number % 256


def picture(path, number=0, size=(16, 16), color=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if color else "L", size, (shade(number), 40, 200) if color else shade(number)).save(path)


def zipped(folder, path):
    pictures = sorted(folder.rglob("*.png"))  # before the zip is there, which may lie among them
    with zipfile.ZipFile(path, "w") as file:
        for each in pictures:
            file.write(each, each.relative_to(folder))
    return path


@pytest.fixture
def animals(tmp_path):
    for number in range(100):
        picture(tmp_path / "animals" / ("cat", "dog")[number % 2] / f"{number:03}.png", number)
    return tmp_path / "animals"


def test_class_folders_are_labels(animals):
    source = Folder(animals)
    assert (source.spec.shape, source.spec.classes, source.class_names) == ((3, 16, 16), 2, ("cat", "dog"))
    x, y = source.split("train").first()
    assert torch.equal((x[:, 0, 0, 0] * 255 / 2).round().long() % 2, y)


def test_splits_are_disjoint_whole_and_fixed(animals):
    source = Folder(animals)
    assert source.sizes == {"train": 88, "valid": 6, "test": 6}
    numbers = [source.split(name).x[:, 0, 0, 0].tolist() for name in ("train", "valid", "test")]
    assert sorted(chain.from_iterable(numbers)) == sorted(shade(n) for n in range(100))
    assert numbers[0] == Folder(animals).split("train").x[:, 0, 0, 0].tolist() != sorted(numbers[0])


def test_a_zip_is_the_same_as_its_folder(animals, tmp_path):
    folder, packed = Folder(animals), Folder(zipped(animals, tmp_path / "animals.zip"))
    assert folder.fingerprint == packed.fingerprint
    for name in ("train", "valid", "test"):
        assert torch.equal(folder.split(name).x, packed.split(name).x)


def test_a_zip_with_a_folder_around_everything_is_the_same(animals, tmp_path):
    packed = Folder(zipped(tmp_path, tmp_path / "animals.zip"))
    assert torch.equal(packed.split("train").x, Folder(animals).split("train").x)


def test_the_fingerprint_depends_on_names_lengths_and_size(animals):
    before = Folder(animals).fingerprint
    assert Folder(animals, size=8).fingerprint != before
    (animals / "cat" / "000.png").unlink()
    assert Folder(animals).fingerprint != before


def test_split_folders_are_splits(tmp_path):
    for number, name in enumerate(["train/a/0", "train/b/1", "Val/a/2", "val/b/3", "testing/a/4"]):
        picture(tmp_path / f"{name}.png", number)
    source = Folder(tmp_path)
    splits = {name: sorted(source.split(name).x[:, 0, 0, 0].tolist()) for name in ("train", "valid", "test")}
    assert splits == {"train": [0, 2], "valid": [4, 6], "test": [8]}
    assert source.class_names == ("a", "b")


def test_a_split_without_a_folder_is_taken_from_training():
    names = [f"train/{i}.png" for i in range(40)] + [f"test/{i}.png" for i in range(7)]
    layout = arrange(names)
    assert {name: len(places) for name, places in layout.splits.items()} == {"train": 38, "valid": 2, "test": 7}
    assert all(names[i].startswith("test/") for i in layout.splits["test"])
    assert layout.labels is None


def test_a_few_pictures_serve_for_every_split(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    source = Folder(tmp_path)
    assert source.sizes == {"train": 3, "valid": 3, "test": 3}
    assert source.warning == "few examples (3): valid and test hold the same as train"


def test_every_class_is_in_every_split():
    counts = {"red": 60, "green": 20, "blue": 7, "black": 2}
    layout = arrange([f"{name}/{i}.png" for name, count in counts.items() for i in range(count)])
    found = {
        split: [sum(layout.labels[i] == label for i in positions) for label in range(4)]
        for split, positions in layout.splits.items()
    }
    assert layout.classes == ("black", "blue", "green", "red")
    assert found == {"train": [2, 5, 18, 54], "valid": [0, 1, 1, 3], "test": [0, 1, 1, 3]}
    assert "5% of every class" in layout.warning
    assert "too few examples of black" in layout.warning


def test_adding_a_picture_moves_few_others():
    names = [f"{i}.png" for i in range(1000)]
    before, after = arrange(names), arrange([*names, "new.png"])
    assert len(set(before.splits["train"]) ^ set(after.splits["train"])) <= 3


def test_one_folder_within_another_is_no_class():
    assert arrange(["a/b/1.png", "a/b/2.png"]).classes == ()
    assert arrange(["a/1.png", "b/2.png", "3.png"]).labels is None


def test_gray_pictures_give_one_channel_even_when_stored_in_color(tmp_path):
    picture(tmp_path / "1.png", 1, color=False)
    Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / "2.png")
    assert Folder(tmp_path).spec.shape == (1, 16, 16)
    picture(tmp_path / "3.png", 3)
    assert Folder(tmp_path).spec.shape == (3, 16, 16)


def test_a_common_size_is_kept_and_need_not_be_square(tmp_path):
    picture(tmp_path / "1.png", size=(20, 12))
    assert Folder(tmp_path).spec.shape == (3, 12, 20)
    assert Folder(tmp_path, size=10).split("train").x.shape == (1, 3, 10, 10)


def test_different_sizes_need_one_to_be_said(tmp_path):
    picture(tmp_path / "1.png", size=(20, 12))
    picture(tmp_path / "2.png", size=(30, 40))
    with pytest.raises(DataError, match=r"from 20x12 to 30x40 pixels\. Say how large .* --data\.size 64"):
        Folder(tmp_path)
    assert Folder(tmp_path, size=8).spec.shape == (3, 8, 8)


def test_large_pictures_need_a_size(tmp_path):
    picture(tmp_path / "1.png", size=(129, 129))
    with pytest.raises(DataError, match=r"of 129x129 pixels\. Say how large"):
        Folder(tmp_path)


def test_a_picture_of_another_size_found_late_is_named(tmp_path):
    for number in range(300):
        picture(tmp_path / f"{number:03}.png", number)
    picture(tmp_path / "001.png", size=(16, 17))
    with pytest.raises(DataError, match=r"001\.png has 16x17 pixels, others 16x16"):
        Folder(tmp_path).split("train")


def test_a_size_below_one_is_refused(tmp_path):
    picture(tmp_path / "1.png")
    with pytest.raises(ValueError, match="`size` is 0"):
        Folder(tmp_path, size=0)


def test_streamed_pictures_equal_those_in_memory(animals, tmp_path):
    path = zipped(animals, tmp_path / "animals.zip")
    held, streamed = Folder(path, size=12), Folder(path, size=12, memory=1000)
    index = torch.tensor([5, 0, 17])
    a, b = held.split("train")[index], streamed.split("train")[index]
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.y, b.y)
    assert (len(streamed.split("test")), streamed.split("test").streamed) == (6, True)
    assert streamed.fingerprint == held.fingerprint


def test_streamed_gray_pictures_without_classes_have_no_labels(tmp_path):
    picture(tmp_path / "1.png", 3, color=False)
    x, y = Folder(tmp_path, memory=0).split("train").first()
    assert torch.equal(x, torch.full((1, 1, 16, 16), shade(3) / 255))
    assert y is None


def total(examples, index):
    return float(examples[index].x.sum())


def test_threads_and_forked_processes_read_a_zip_at_once(animals, tmp_path):
    examples = Folder(zipped(animals, tmp_path / "animals.zip"), memory=0).split("train")
    index = [torch.arange(i, 88, 3) for i in range(3)] * 4
    expected = [total(examples, i) for i in index]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(total, [examples] * 12, index)) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(total, [(examples, i) for i in index]) == expected


def test_a_zip_that_was_replaced_is_read_anew(tmp_path):
    for number in (1, 2):
        picture(tmp_path / "a" / "x.png", number)
        path = zipped(tmp_path / "a", tmp_path / "a.zip")
        os.utime(path, (number, number))
        assert Folder(path).split("train").x[0, 0, 0, 0] == shade(number)


def test_hidden_files_and_other_kinds_are_passed_over(tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "__MACOSX").mkdir()
    for name in ("._1.png", "__MACOSX/1.png"):
        (tmp_path / name).write_bytes(b"")
    assert find_pictures(tmp_path).names == ("1.png",)


def test_linked_folders_count_and_circles_end(animals, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "animals").symlink_to(animals)
    (tmp_path / "links" / "circle").symlink_to(tmp_path / "links")
    assert len(find_pictures(tmp_path / "links").names) == 100


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_corrupt_picture_is_one_line_that_names_it(animals, tmp_path, kind):
    (animals / "cat" / "004.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    path = animals if kind == "folder" else zipped(animals, tmp_path / "animals.zip")
    with pytest.raises(DataError, match=r"cat/004\.png is damaged or no picture \([^\n]*\)\. Replace or remove it\.$"):
        Folder(path, size=8).split("train")


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none does not exist\. Give a folder or a zip"):
        Folder(tmp_path / "none")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} holds no pictures"):
        Folder(tmp_path)


def test_a_file_that_is_no_zip_is_named(tmp_path):
    (tmp_path / "x.zip").write_text("no zip")
    with pytest.raises(DataError, match=r"x\.zip is neither a folder nor a zip"):
        Folder(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
def test_names_that_leave_the_zip_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(name, b"")
    with pytest.raises(DataError, match="holds the unsafe name"):
        Folder(tmp_path / "x.zip")


def test_an_entry_that_explodes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("counterfeit.data.image_files.MAX_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.png", bytes(10_001))
    with pytest.raises(DataError, match=r"x\.png has 10,001 bytes, which is refused"):
        Folder(tmp_path / "x.zip")


def test_a_bomb_of_pixels_is_refused(tmp_path, monkeypatch):
    picture(tmp_path / "x.png", size=(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"x\.png has more than 1,000 pixels"):
        Folder(tmp_path)


def test_a_damaged_entry_of_a_zip_is_named(animals, tmp_path):
    path = zipped(animals, tmp_path / "animals.zip")
    data = bytearray(path.read_bytes())
    data[60] ^= 255  # within the first picture: its checksum no longer holds
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"cat/000\.png cannot be read \(.*\)\. Replace or remove it"):
        Folder(path, size=8).split("train")


def test_names_that_are_not_text_are_read(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    picture(tmp_path / "1.png", 1)
    (tmp_path / "1.png").rename(tmp_path / name)
    assert np.array_equal(Folder(tmp_path).split("train").x[0, 0], np.full((16, 16), shade(1)))


def test_every_file_is_read_once_for_pictures_and_fingerprint(animals, monkeypatch):
    folder, read = Folder(animals, size=8), []
    whole = type(folder.pictures).read
    monkeypatch.setattr(type(folder.pictures), "read", lambda self, index: read.append(index) or whole(self, index))
    assert folder.fingerprint
    assert len(folder.split("train"))
    assert sorted(read) == [*range(100)]


def test_the_fingerprint_is_of_what_pictures_show(tmp_path):
    prints = []
    for shade in (60, 200):  # files of one length
        folder = tmp_path / str(shade) / "same"
        folder.mkdir(parents=True)
        for i in range(12):
            Image.fromarray(np.full((8, 8), shade, np.uint8)).save(folder / f"{i}.bmp")
        prints.append(Folder(folder).fingerprint)
    assert prints[0] != prints[1]
