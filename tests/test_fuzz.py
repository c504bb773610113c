"""Damaged files end in one clear line: a short search of `fuzz.py`, and what its long searches found."""

import io
import json
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.catalogue import build, configure
from counterfeit.common import schema
from counterfeit.config.settings import Train
from counterfeit.core import Clock
from counterfeit.data import downloads
from counterfeit.data.image_files import find_pictures
from counterfeit.data.sources.arrays import Arrays, read_arrays
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.kept import Kept, keep
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.events import read_events
from counterfeit.engine.step import Stepper, remembered
from counterfeit.evaluation.measure import beats_real
from counterfeit.metrics.base import Result
from counterfeit.metrics.features import reference
from counterfeit.report.figures.edits import read_direction
from counterfeit.run.run import Run
from fuzz import TINY, Search

CASES = {"run.yaml": 3, "recipe.yaml": 3}  # whose settings take long to resolve; 24 of the others
KINDS = (
    "run.yaml",
    "events.jsonl",
    "evaluation.json",
    "state.json",
    "model.safetensors",
    "training.safetensors",
    "recipe.yaml",
    "lock",
    "classifier.safetensors",
    "statistics.npz",
    "memo.npz",
    "samples.npz",
    "samples.npy",
    "data.npz",
    "kept.npz",
    "direction.npy",
    "picture.png",
    "picture.jpg",
    "picture.gif",
    "picture.bmp",
    "picture.tif",
    "picture.webp",
    "pictures.zip",
    "captions.jsonl",
    "video.gif",
    "choices.csv",
    "wins.csv",
)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return Search(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("kind", KINDS)
def test_damage_ends_in_a_line_or_does_not_matter(search, kind):
    assert [*search.kinds] == [*KINDS]
    found = [search.case(kind, number) for number in range(CASES.get(kind, 24))]
    assert [str(one) for one in found if one] == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return cf.train("gan", out=tmp_path_factory.mktemp("trained") / "run", settings=TINY, show=False).path


@pytest.fixture
def run(trained, tmp_path):
    """A run of one's own to damage."""
    return Run(shutil.copytree(trained, tmp_path / "run"))


def line(call):
    """The one line that a call is refused with."""
    with pytest.raises(ValueError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


STATE = ("step", "position", "seconds", "cpu_seconds", "score", "parts")


@pytest.mark.parametrize("name", STATE)
def test_a_field_that_is_missing_in_a_state_is_named(run, name):
    file = checkpoint.newest(run.path) / "state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in state.items() if key != name}))
    assert f"state.json cannot be read (it lacks {name})" in line(lambda: run.resume({"train.steps": 6}, show=False))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("step", "4", "step holds '4'; an integer of at least 0"),
        ("step", 2, "it is of step 2"),
        ("position", None, "position holds None; an integer"),
        ("position", 4.5, "position holds 4.5; an integer"),
        ("seconds", [], "seconds holds []; a number"),
        ("cpu_seconds", True, "cpu_seconds holds True; a number"),
        ("score", "best", "score holds 'best'; a number"),
        ("score", float("nan"), "NaN is no number of JSON"),
        ("parts", ["generator"], "parts holds ['generator']; a mapping"),
        ("parts", {"generator": "4"}, "parts.generator holds '4'; an integer"),
        ("parts", {"decoder": 4}, "names the part 'decoder', which the model has not"),
        ("healthy", "yes", "healthy holds 'yes'; true or false"),
        ("rollbacks", 10**6, "rollbacks holds 1000000; an integer in 0 to 64"),
        ("meter", {"sums": {}}, "meter lacks count"),
        ("meter", {"sums": {"loss": "x"}, "count": 1}, "meter.sums.loss holds 'x'; a number"),
    ],
)
def test_a_field_of_another_type_in_a_state_is_named(run, name, value, says):
    file = checkpoint.newest(run.path) / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {name: value}))
    assert says in line(lambda: run.resume({"train.steps": 6}, show=False))


def retold(path, change):
    """Write a safetensors file again, with its tensors changed."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize("name", ["exp_avg", "exp_avg_sq", "step"])
def test_a_tensor_that_is_missing_of_an_optimizer_is_named(run, name):
    newest = checkpoint.newest(run.path)
    retold(newest / "training.safetensors", lambda t: t.pop(f"optimizer/generator/0/{name}"))
    assert "training.safetensors holds" in line(lambda: run.resume({"train.steps": 6}, show=False))
    state = json.loads((newest / "state.json").read_text())
    del state["tensors"]  # as earlier versions wrote it
    (newest / "state.json").write_text(json.dumps(state))
    says = f"training.safetensors lacks {name} of parameter 0, or another optimizer wrote it"
    assert says in line(lambda: run.resume({"train.steps": 6}, show=False))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generator/99/step", torch.zeros(())),
        ("generator/x/step", torch.zeros(())),
        ("generator/0/exp_avg", torch.zeros(7)),
        ("generator/0/exp_avg", torch.zeros((), dtype=torch.int64)),
    ],
)
def test_a_tensor_that_an_optimizer_has_no_place_for_is_named(run, key, value):
    newest = checkpoint.newest(run.path)
    retold(newest / "training.safetensors", lambda t: t.update({f"optimizer/{key}": value}))
    state = json.loads((newest / "state.json").read_text())
    (newest / "state.json").write_text(json.dumps({key: state[key] for key in state if key != "tensors"}))
    says = f"holds {key.partition('/')[2]} of an optimizer, for which there is no place"
    assert says in line(lambda: run.resume({"train.steps": 6}, show=False))


def test_weights_of_another_type_are_refused(run):
    file = run.checkpoint / "model.safetensors"
    name = next(iter(load_file(file)))
    retold(file, lambda tensors: tensors.update({name: tensors[name].to(torch.float64)}))
    assert f"{name} is torch.float64; torch." in line(lambda: run.sample(2))


def test_resuming_with_another_optimizer_is_refused(tmp_path):
    settings = {**TINY, "train": {**TINY["train"], "optimizer": "sgd", "lr": 0.01}}
    run = cf.train("gan", out=tmp_path / "run", settings=settings, show=False)
    assert run.proceed({"train.steps": 5}, show=False)[1].trained == 1
    momentum = cf.train("gan", out=tmp_path / "more", settings={**settings, "train.momentum": 0.5}, show=False)
    says = line(lambda: momentum.resume({"train.steps": 6, "train.optimizer": "adam"}, show=False))
    assert "lacks exp_avg, exp_avg_sq, step of parameter 0, or another optimizer wrote it" in says


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({}, {"step", "exp_avg", "exp_avg_sq"}),
        ({"optimizer": "sgd"}, set()),
        ({"optimizer": "sgd", "momentum": 0.5}, {"momentum_buffer"}),
        ({"optimizer": "rmsprop"}, {"step", "square_avg"}),
        ({"optimizer": "adadelta"}, {"step", "square_avg", "acc_delta"}),
    ],
)
def test_what_optimizers_remember(rule, names):
    assert remembered(Train(**rule)) == names


def test_a_loss_that_was_not_finite_between_two_log_lines_is_saved_as_strict_json(run):
    from counterfeit.engine.events import Meter

    meter, other = Meter(), Meter()
    meter.add({"loss": torch.tensor(float("inf"))})
    state = json.loads(json.dumps(meter.state(), allow_nan=False))
    other.restore(state, torch.device("cpu"))
    assert np.isnan(other.take()["loss"])


@pytest.mark.parametrize(
    "row",
    [
        "null",
        "[]",
        "{}",
        '{"step": true}',
        '{"step": -1}',
        '{"step": 1, "loss": "x"}',
        '{"step": 1, "loss": NaN}',
        '{"step": 1, "finding": {}}',
        '{"step": 1, "finding": 5}',
        '{"step": 1, "rollback": {"from": 3}}',
        "[" * 5000,
        '{"step": 1, "x": 1' + "0" * 400 + "}",
    ],
)
def test_a_line_that_is_no_event_is_passed_over(run, row):
    before = run.events
    with (run.path / "events.jsonl").open("a") as file:
        file.write(f"{row}\n")
    assert read_events(run.path) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": None}, "nearest.value holds None; a number"),
        ({"n": 1.5}, "nearest.n holds 1.5; an integer"),
        ({"details": []}, "nearest.details holds []; a mapping"),
        ({"details": {"references": {"real": 5}}}, "nearest.details.references.real holds 5; a mapping"),
        ({"details": {"low": 0.5}}, "nearest.details lacks high"),
        ({"details": {"low": [], "high": 1}}, "nearest.details.low holds []; a number"),
        ({"details": {"share_low": 0.5, "share_high": 1.0}}, "nearest.details lacks share"),
        ({"details": {"share": "all", "share_low": 0.5, "share_high": 1.0}}, "nearest.details.share holds 'all'"),
        ({"details": {"references": {"real": {"value": 1.0, "high": 2.0}}}}, "references.real lacks low"),
        ({"details": {"scores": {"distance": {}}}}, "scores.distance lacks auroc, error"),
        ({"skipped": 5}, "nearest.skipped holds 5; text"),
    ],
)
def test_results_that_lack_something_are_named(run, change, says):
    entry = {"value": 1.0, "error": None, "n": 1, "protocol": "", "fingerprint": "", **change}
    (run.path / "evaluation.json").write_text(json.dumps({"nearest": entry}))
    assert says in line(lambda: run.evaluation)


def test_a_reference_that_was_no_number_is_beaten_by_none():
    entry = {"value": 1.0, "error": None, "n": 1, "protocol": "", "details": {"references": {"real": {"value": None}}}}
    assert not beats_real(Result.from_dict(entry), "higher")


@pytest.mark.parametrize("name", ["value", "error", "n", "protocol", "fingerprint"])
def test_a_result_without_a_field_is_named(run, name):
    run.evaluate("nearest", samples=20)
    held = json.loads((run.path / "evaluation.json").read_text())
    del held["nearest"][name]
    (run.path / "evaluation.json").write_text(json.dumps(held))
    assert f"nearest lacks {name}" in line(lambda: run.evaluation)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": 1e999}', '{"a": 1' + "0" * 500 + "}", '{"a": Infinity}'])
def test_json_that_no_number_is_in_or_too_deep_is_refused(content):
    line(lambda: schema.parse_json(content, schema.anything))


@pytest.mark.parametrize("content", ["a: 2001-99-99", "[" * 600, "? [a]: b\n: c", "a: !!python/name:os.system", "\0"])
def test_yaml_that_its_reader_stumbles_over_is_refused(content):
    line(lambda: schema.parse_yaml(content, schema.mapping(schema.anything)))


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("model: 3", "names no model"),
        ("model: {name: 3}", "model.name holds 3; text"),
        ("model: {name: gan}\ndata: 3", "data holds 3; a mapping"),
        ("model: {name: gan}\ntrain: [1]", "train holds [1]"),
        ("model: {name: gan}\nevaluate: null", "evaluate holds None"),
        ("model: {name: gan}\nsmoke: {train: 4}", "smoke.train"),
        ("model: {name: gan}\nsummary: [a]", "summary holds"),
        ("model: {name: gan}\n3: {}", "a name holds 3; text"),
    ],
)
def test_what_is_no_section_of_a_recipe_is_named(tmp_path, section, says):
    file = tmp_path / "mine.yaml"
    file.write_text(section)
    assert says in line(lambda: catalogue.recipe(str(file)))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"hidden": [2**63]}},
        {"model": {"noise_dim": None}},
        {"model": {"hidden": None}},
        {"model": {"hidden": [None]}},
        {"train": {"steps": None}},
        {"data": {"transforms": None}},
        {"data": {"transforms": [None]}},
        {"evaluate": {"metrics": None}},
        {"train": {"betas": [None, None]}},
        {"train": {"steps": 10**400}},
        {"train": {"lr": 10**400}},
    ],
)
def test_null_and_absurd_numbers_are_no_settings(changes):
    assert "is expected" in line(lambda: configure(catalogue.recipe("gan"), changes))


@pytest.mark.parametrize("size", [2**62, 2**50])
def test_a_model_that_no_memory_holds_is_refused(size):
    config = configure(catalogue.recipe("gan"), {"model": {"hidden": [size]}})
    says = line(lambda: build(config, catalogue.source("digits"), torch.device("cpu")))
    assert says.startswith("the model's settings ask for more than memory holds")


def unended(path):
    """A .npy whose header never ends, over which numpy's reader of headers stumbles."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': ((((3, }".ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(12))


def test_headers_of_arrays_that_never_end_are_refused(tmp_path):
    unended(tmp_path / "x.npy")
    for read in (read_arrays, lambda path: read_direction(path, 3)):
        assert "is no array file" in line(lambda read=read: read(tmp_path / "x.npy"))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.write(tmp_path / "x.npy", "x.npy")
    assert downloads.load_arrays(tmp_path / "x.npz") is None


def test_members_of_an_archive_that_are_no_arrays_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", b"no array")
    assert downloads.load_arrays(tmp_path / "x.npz") is None


@pytest.mark.parametrize(
    "change", [lambda a: a.pop("b"), lambda a: a.update(c=a["a"]), lambda a: a.update(a=a["a"] + 1)]
)
def test_a_cache_whose_members_are_others_is_made_again(change):
    made = {"a": np.arange(3.0), "b": np.arange(4)}
    downloads.memo("others", lambda: made)
    path = downloads.cache_dir() / "others.npz"
    held = dict(downloads.load_arrays(path))
    change(held)
    np.savez(path, **held)
    assert {*downloads.memo("others", lambda: made)} == {"a", "b"}
    assert np.array_equal(downloads.memo("others", lambda: pytest.fail("made again"))["a"], made["a"])


@pytest.mark.parametrize("header", ["[]", "{}", '{"content": 3}', "", "null"])
def test_statistics_without_a_header_are_refused(tmp_path, header):
    np.savez(tmp_path / "x.npz", features=np.zeros((3, 2)), header=np.array(header))
    assert "holds no statistics of features" in line(lambda: reference.read_statistics(tmp_path / "x.npz", {"n": 3}))


def test_data_kept_in_a_run_folder_are_whole_or_refused(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.zeros((20, 8, 8), np.uint8))
    keep(Arrays(tmp_path / "data.npz"), tmp_path / "kept.npz")
    assert len(Kept(tmp_path / "kept.npz").split("train")) > 0
    held = dict(np.load(tmp_path / "kept.npz", allow_pickle=False))
    np.savez(tmp_path / "kept.npz", **{**held, "x_train": np.array(3)})
    assert "is damaged" in line(lambda: Kept(tmp_path / "kept.npz"))


def pictures(path, name, version=20):
    """A zip whose second entry is called `name`, and asks for a version of the format to be unpacked."""
    picture = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(picture, "png")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", picture.getvalue())
        entry = zipfile.ZipInfo("b.png")
        entry.extract_version = version
        archive.writestr(entry, picture.getvalue())
    path.write_bytes(path.read_bytes().replace(b"b.png", name))


def test_a_zip_of_a_version_to_come_is_refused(tmp_path):
    pictures(tmp_path / "x.zip", b"b.png", version=236)
    assert "zip file version 23.6" in line(lambda: Folder(tmp_path / "x.zip"))


def test_an_entry_of_a_zip_without_a_name_is_passed_over(tmp_path):
    pictures(tmp_path / "x.zip", b"\0.png")  # what follows a zero is no part of a name
    assert find_pictures(tmp_path / "x.zip").names == ("a.png",)


def test_labels_of_which_none_comes_twice_leave_splits_empty_and_no_traceback(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.zeros((24, 8, 8), np.uint8), y=np.arange(24))
    source = Arrays(tmp_path / "data.npz")
    assert [len(source.split(name)) for name in ("train", "valid", "test")] == [24, 0, 0]


def test_checkpoints_of_other_names_are_none(run):
    (run.path / "checkpoints" / "step-00000004 (copy)").mkdir()
    (run.path / "checkpoints" / "step-x").mkdir()
    assert Run(run.path, "newest").checkpoint.name == "step-00000004"


def test_what_is_whole_trains_on(run):
    model = build(run.config, run.source, torch.device("cpu"))
    stepper = Stepper(model, run.config.train, Processes())
    state = checkpoint.restore(checkpoint.newest(run.path), stepper)
    assert state["tensors"] == len(load_file(checkpoint.newest(run.path) / "training.safetensors"))
    batch = run.source.split("train").first(8)
    stepper.step([lambda: batch], Clock(4, 8))
