"""What `check` finds."""

import json

import numpy as np
import pytest
from PIL import Image

from counterfeit.data.audit import check
from counterfeit.data.sources.digits import Digits
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.toy import Bimodal1D


@pytest.fixture
def pictures(tmp_path):
    for i in range(12):
        for split in ("train", "test"):
            path = tmp_path / split / ("even", "odd")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            number = {"train": 20 * (i // 2), "test": 200 + i if i else 0}[split]
            Image.fromarray(np.full((4, 4), number, np.uint8)).save(path)
    return Folder(tmp_path)


def test_digits_are_in_order():
    found = check(Digits())
    assert (found.name, found.shape, found.kind) == ("digits", (1, 8, 8), "image")
    assert found.fingerprint == Digits().fingerprint
    assert (found.splits["train"].low, found.splits["train"].high) == (0, 1)
    assert sum(found.splits["test"].classes.values()) == 250
    assert found.warnings == ()


def test_repeated_and_shared_examples_are_counted(pictures):
    found = check(pictures)
    train, test = found.splits["train"], found.splits["test"]
    assert train.size + found.splits["valid"].size == 12
    assert train.repeated + found.splits["valid"].shared >= 5
    assert (test.shared, test.repeated) == (1, 0)
    assert "1 of 12 examples of test occur in train as well" in found.warnings


def test_mean_and_classes_are_those_of_the_split(pictures):
    test = check(pictures).splits["test"]
    assert test.classes == {"even": 6, "odd": 6}
    assert test.mean == pytest.approx(sum([0, *range(201, 212)]) / 12 / 255)


def test_points_have_no_classes():
    found = check(Bimodal1D())
    assert found.splits["valid"].classes == {}
    assert found.splits["train"].mean == pytest.approx(0, abs=0.05)


def test_a_few_pictures_warn(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "1.png")
    assert "few examples (1): valid and test hold the same as train" in check(Folder(tmp_path)).warnings


def test_it_becomes_json():
    assert json.loads(json.dumps(check(Digits()).to_dict()))["splits"]["valid"]["size"] == 250
