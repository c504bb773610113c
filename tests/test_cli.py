"""The command line as a person and as a program use it."""

import json
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from counterfeit import catalogue
from counterfeit.cli import main, verbs
from counterfeit.cli.errors import reported
from counterfeit.engine import environment

SMALL = [
    "--model.hidden", "8", "--model.discriminator_hidden=8", "--model.noise_dim", "2", "--train.steps", "4",
    "--train.batch_size", "8", "--train.save_every", "2", "--train.tensorboard", "false", "--evaluate.samples", "20",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "gan", "--out", str(folder), *SMALL]) == 0
    return folder


def fails(capsys, *words, status=2):
    assert main(list(words)) == status
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0, error
    assert error.startswith(f"counterfeit {words[0]}: error: ")
    return error


def test_train_leaves_a_whole_run_folder(run):
    found = {path.name for path in run.iterdir()}
    assert {"run.yaml", "events.jsonl", "checkpoints", "samples", "evaluation.json", "report.html"} <= found
    assert (run / "checkpoints" / "step-00000004" / "model.safetensors").is_file()


def test_train_json_is_the_last_line(tmp_path, capsys):
    words = ["train", "gan", "--out", str(tmp_path / "a"), "--json", "--no-evaluate", "--no-report", *SMALL]
    assert main(words) == 0
    last = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert last["steps"] == 4
    assert last["run"] == str(tmp_path / "a")
    assert last["seconds"] > 0


def test_evaluate_json(run, capsys):
    assert main(["evaluate", str(run), "--metrics", "nearest,parzen", "--samples", "30", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"nearest", "parzen"}
    assert {"value", "error", "n", "protocol"} <= set(found["parzen"])


def test_record_keeps_results_costs_and_commands(run, tmp_path):
    file = tmp_path / "results" / "gan.json"
    assert main(["evaluate", str(run), "--metrics", "nearest", "--samples", "30", "--record", str(file)]) == 0
    kept = json.loads(file.read_text())
    assert kept["commands"][0].startswith("counterfeit train gan --model.hidden '[8]'")
    assert kept["summary"]["nearest"]["mean"] == kept["rows"][0]["metrics"]["nearest"]["value"]
    assert kept["rows"][0]["cpu_seconds"] > 0


@pytest.mark.parametrize("kind", ["models", "recipes", "data", "metrics"])
def test_list_json_is_an_array_of_objects(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert all({"name", "summary"} <= set(entry) and entry["summary"] for entry in entries)


def test_list_for_a_person(capsys):
    assert main(["list", "recipes"]) == 0
    assert "gan-mnist-2014" in capsys.readouterr().out


def test_sample_writes_what_its_ending_says(run, tmp_path):
    assert main(["sample", str(run), "-n", "9", "--out", str(tmp_path / "x.npy")]) == 0
    x = np.load(tmp_path / "x.npy")
    assert x.shape == (9, 1, 8, 8)
    assert x.min() >= 0
    assert x.max() <= 1
    assert main(["sample", str(run), "-n", "4"]) == 0
    with Image.open(run / "samples.png") as picture:
        assert picture.size[0] > 8


def test_report_and_resume(run, capsys):
    assert main(["report", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"].endswith("report.html")
    assert main(["resume", str(run), "--train.steps", "6", "--no-evaluate", "--no-report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 6


def test_a_finished_run_does_not_say_that_it_trained(tmp_path, capsys):
    words = ["--no-evaluate", "--no-report"]
    assert main(["train", "gan", "--out", str(tmp_path / "run"), *words, *SMALL]) == 0
    assert "Trained run: 4 steps in" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "run"), *words]) == 0
    said = capsys.readouterr().err
    assert "run had ended, at step 4: nothing was trained. Train it for longer: counterfeit resume" in said
    assert "Trained" not in said
    assert main(["resume", str(tmp_path / "run"), "--train.steps", "6", *words]) == 0
    assert "Trained run: 2 steps more, 6 in all, in" in capsys.readouterr().err


def test_a_run_that_ended_early_is_led_to_more_patience(tmp_path, capsys):
    words = ["--no-evaluate", "--no-report"]
    early = ["--train.monitor", "parzen", "--train.monitor_samples", "10", "--train.patience", "1", "--train.lr", "0"]
    longer = ["40" if word == "4" else word for word in SMALL]
    assert main(["train", "gan", "--out", str(tmp_path / "run"), *words, *longer, *early]) == 0
    assert "training ends early, at step" in capsys.readouterr().err
    assert main(["resume", str(tmp_path / "run"), *words]) == 0
    assert "nothing was trained. Train it for longer: counterfeit resume" in (said := capsys.readouterr().err)
    assert "--train.patience 2" in said


def test_own_pictures(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(12):
        noise = np.random.default_rng(i).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / f"{i}.png")
    words = ["train", "gan", "--data", str(pictures), "--data.size", "8", "--out", str(tmp_path / "run"), "--json"]
    assert main([*words, "--no-evaluate", "--no-report", *SMALL]) == 0
    assert main(["data", "check", str(pictures), "--data.size", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["shape"] == [3, 8, 8]


def test_doctor_json(capsys):
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["advice"]


@pytest.mark.parametrize("verb", verbs())
def test_help_shows_an_example(verb, capsys):
    with pytest.raises(SystemExit) if verb != "train" else pytest.MonkeyPatch.context():
        assert main([verb, "--help"]) == 0
    assert f"counterfeit {verb}" in capsys.readouterr().out.partition("example")[2]


def test_help_of_a_recipe_documents_every_setting(capsys):
    assert main(["train", "gan", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--model.instance_noise" in text
    assert "--train.lr" in text
    assert "default: 0.2" in text  # the recipe's, not the model's


def test_top_level_help_does_not_import_torch():
    run = "try: main(['--help'])\nexcept SystemExit: pass"
    code = f"import sys; from counterfeit.cli import main\n{run}\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_unknown_recipe_names_the_nearest(capsys):
    assert "did you mean 'gan-mnist'" in fails(capsys, "train", "gan-mnits")


def test_unknown_setting_names_the_nearest(capsys, tmp_path):
    error = fails(capsys, "train", "gan", "--train.stpes", "5", "--out", str(tmp_path / "run"))
    assert "did you mean 'train.steps'" in error
    assert not (tmp_path / "run").exists()


def test_a_setting_without_its_section_names_it_whole(capsys):
    assert "did you mean 'train.lr'?" in fails(capsys, "train", "gan", "--lr", "3")
    assert "did you mean 'model.hidden'?" in fails(capsys, "train", "gan", "--train.hidden", "3")
    assert "did you mean 'train.batch_size'?" in fails(capsys, "train", "gan", "--batch", "3")
    assert "did you mean 'train.seed'?" in fails(capsys, "train", "gan", "--sed", "3")


def test_a_misspelled_verb_or_choice_names_the_nearest(capsys):
    for words, meant in ((["tarin"], "train"), (["list", "recipe"], "recipes")):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert f"did you mean '{meant}'. See" in capsys.readouterr().err


def test_wrong_type(capsys):
    assert "'many' came; an integer is expected" in fails(capsys, "train", "gan", "--train.steps", "many")


def test_value_without_option(capsys):
    assert "where an option is expected" in fails(capsys, "train", "gan", "5")


def test_unknown_data(capsys):
    assert "did you mean 'mnist'" in fails(capsys, "train", "gan", "--data", "mnits")


def test_missing_path(capsys):
    fails(capsys, "train", "gan", "--data", "/no/such/folder", "--data.size", "8")


def test_empty_folder(capsys, tmp_path):
    fails(capsys, "train", "gan", "--data", str(tmp_path), "--data.size", "8")


def test_corrupt_picture_is_named(capsys, tmp_path):
    for i in range(3):
        Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    out = tmp_path.parent / "never"
    assert "bad.png" in fails(capsys, "train", "gan", "--data", str(tmp_path), "--data.size", "8", "--out", str(out))
    assert not out.exists()


def test_folder_in_use(capsys, run):
    assert "already holds something" in fails(capsys, "train", "gan", "--out", str(run), *SMALL)


def test_output_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be created" in fails(capsys, "train", "gan", "--out", str(tmp_path / "file" / "run"), *SMALL)


def test_no_run_folder(capsys, tmp_path):
    for verb in ("resume", "sample", "evaluate", "report"):
        assert "is no run folder" in fails(capsys, verb, str(tmp_path))


def test_metric_that_does_not_apply(capsys, run):
    assert "asks for a model that has Bounds" in fails(capsys, "evaluate", str(run), "--metrics", "elbo")


def test_divergence_is_a_failure_of_training(capsys, tmp_path):
    words = ["train", "gan", "--out", str(tmp_path / "run"), *SMALL, "--train.optimizer", "sgd", "--train.lr", "1e38"]
    assert "training diverged" in fails(capsys, *words, status=1)


def test_bundled_recipe_names():
    assert {
        "gan",
        "gan-mnist",
        "gan-mnist-2014",
        "gan-olivetti",
        "gan-tfd",
        "gan-cifar10",
        "gan-bimodal",
        "vae",
        "vae-mnist",
    } <= set(catalogue.recipes())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evaluate", "RUN", "--samples", "0"], "an integer of at least 1"),
        (["evaluate", "RUN", "--samples", "-3"], "an integer of at least 1"),
        (["evaluate", "RUN", "--checkpoint", "last"], "best, newest or a step"),
        (["resume", "RUN", "--model.hidden", "9"], "keeps its model"),
        (["resume", "RUN", "--train.steps", "1"], "stands at step"),
        (["resume", "RUN", "--train.lr", "fast"], "a number is expected"),
        (["sample", "RUN", "-n", "0"], "at least 1 is expected"),
        (["train", "gan", "--data", "folder"], "the path of a file or folder"),
        (["train", "gan", "--train.seed", str(2**64)], "less than 2**63"),
        (["train", "gan", "--train.parts.generator.optimizer", "adma"], "one of adam, adamw, sgd, rmsprop, adadelta"),
        (["train", "gan", "--model.hidden", "[1"], "a list of integers"),
        (["train", "gan", "--train.lr", ".nan"], "at least 0"),
    ],
)
def test_bad_values_are_one_clear_line_and_change_nothing(words, says, run, capsys):
    before = (run / "run.yaml").read_bytes()
    assert says in fails(capsys, *(str(run) if word == "RUN" else word for word in words))
    assert (run / "run.yaml").read_bytes() == before


@pytest.mark.parametrize("words", [["train"], ["list", "x"], ["sample"], ["evaluate"], ["frobnicate"]])
def test_usage_errors_are_one_line(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2
    assert error.count("\n") == 0
    assert "--help" in error


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("run.yaml", b"\xff\xfe\x00", "is not text"),
        ("run.yaml", b"a: [", "is not YAML"),
        ("run.yaml", b"a: 1", "it lacks recipe, model"),
        ("evaluation.json", b"{", "is not JSON"),
        ("evaluation.json", b"[]", "a mapping is expected"),
    ],
)
def test_damaged_run_folders(file, content, says, run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / file).write_bytes(content)
    assert says in fails(capsys, "evaluate", str(copy), "--metrics", "nearest", "--samples", "20")


def test_garbage_in_the_events_is_passed_over(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    with (copy / "events.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n[1]\n{"step": "x"}\n')
    assert main(["report", str(copy)]) == 0


def test_metrics_of_labels_stay_away_from_pictures_without(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(30):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (8, 8), dtype=np.uint8)).save(pictures / f"{i}.png")
    out = tmp_path / "run"
    assert main(["train", "gan", "--data", str(pictures), "--out", str(out), "--no-report", "--json", *SMALL]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["evaluation"]) == {"parzen", "nearest", "fid"}


@pytest.mark.parametrize(
    "words", [["--train.batch_size", "1"], ["--model.dropout", "2,2"], ["--model.maxout_pieces", "0"]]
)
def test_what_cannot_train_leaves_its_place_free(words, tmp_path, capsys):
    out = tmp_path / "run"
    fails(capsys, "train", "gan", "--out", str(out), *SMALL, *words)
    assert not out.exists()


def test_checkpoints_can_be_read_by_whom_the_folder_can(run):
    modes = {path.stat().st_mode & 0o777 for path in (run / "checkpoints").glob("*/*")}
    assert modes == {(run / "run.yaml").stat().st_mode & 0o777}


def test_an_interrupt_while_a_verb_is_imported_is_named(capsys, monkeypatch):
    def stop(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("counterfeit.cli.importlib.import_module", stop)
    assert main(["list"]) == 130
    assert capsys.readouterr().err.strip() == "counterfeit list: stopped"


def test_an_interrupt_that_says_nothing_is_named(capsys):
    def stop():
        raise KeyboardInterrupt

    assert reported(stop, "train") == 130
    assert capsys.readouterr().err.strip() == "counterfeit train: stopped"


# Places to write, checked before the work -----------------------------------------------------------------------------


def test_a_folder_in_use_is_told_before_any_work(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.png").write_text("")
    monkeypatch.setattr("counterfeit.run.run.Run.sample", lambda *args: pytest.fail("it began to work"))
    assert "already holds something" in fails(capsys, "sample", str(run), "--out", str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "RUN", "--out", "PLACE/x.png"],
        ["sample", "RUN", "--out", "PLACE/folder"],
        ["data", "show", "digits", "--out", "PLACE/x.png"],
        ["theory", "football", "--out", "PLACE/figures"],
        ["theory", "football", "--out", "", "--record", "PLACE/x.json"],
        ["reproduce", "table2", "--record", "PLACE/x.json"],
        ["reproduce", "table2", "--latex", "PLACE/x.tex"],
        ["reproduce", "table1", "--runs", "PLACE/runs"],
        ["compare", "RUN", "--latex", "PLACE/x.tex"],
        ["evaluate", "RUN", "--record", "PLACE/x.json"],
        ["evaluate", "RUN", "--record", "-"],
        ["evaluate", "RUN", "--record", "/dev/null"],
        ["evaluate", "RUN", "--record", "x" * 300],
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_any_work(words, run, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    works = (
        "run.run.Run.sample", "run.run.Run.evaluate", "report.comparison.compare.compare", "run.run.start",
        "data.sources.digits.Digits.split",
    )  # fmt: skip
    for work in works:
        monkeypatch.setattr(f"counterfeit.{work}", lambda *args, **options: pytest.fail("it began to work"))
    monkeypatch.setattr("counterfeit.report.theory.topic.lesson", lambda *args: pytest.fail("it began to work"))
    given = [word.replace("RUN", str(run)).replace("PLACE", str(tmp_path / "file")) for word in words]
    assert "cannot be written" in fails(capsys, *given)
    assert (tmp_path / "file").read_text() == ""


def test_a_report_that_cannot_be_written_is_told_before_any_work(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()
    assert "it is a folder" in fails(capsys, "report", str(copy))


def test_what_was_recorded_is_derived_by_the_commands_beside_it(run, tmp_path):
    file, words = tmp_path / "r.json", ["--metrics", "nearest,class-coverage", "--samples", "30", "--seed", "7"]
    assert main(["evaluate", str(run), *words, "--record", str(file)]) == 0
    kept = json.loads(file.read_text())
    trained, *_, measured = (shlex.split(line, comments=True) for line in kept["commands"])
    assert trained[-2:] == ["--out", str(run)]
    assert main([*measured[1:-1], str(tmp_path / "again.json")]) == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["rows"][0]["metrics"] == kept["rows"][0]["metrics"]


# One voice, one line --------------------------------------------------------------------------------------------------


def test_of_several_processes_one_speaks(capsys, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert main(["train", "no-such-recipe"]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["train"])
    assert capsys.readouterr().err == ""


def test_a_failure_of_one_machine_is_told_by_whom_it_befalls(capsys, monkeypatch):
    def fill():
        raise OSError("the disk is full")

    monkeypatch.setenv("LOCAL_RANK", "1")
    assert reported(fill, "train") == 1
    assert capsys.readouterr().err == "counterfeit train: error: the disk is full\n"


def test_what_metrics_keep_is_no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFEIT_CACHE", str(tmp_path))
    for name in ("floor-1.npz", "parzen-1.npz", "mnist.gz"):
        (tmp_path / name).write_text("")
    for name in ("statistics", "classifiers"):
        (tmp_path / name).mkdir()
    assert environment.data()[str(tmp_path)] == ["mnist.gz"]


# Studies --------------------------------------------------------------------------------------------------------------


def test_a_study_of_single_models(tmp_path, capsys):
    file = tmp_path / "answers.csv"
    answers = [f"{'ann' if i % 2 else 'bob'},{i},gan,{int(i < 60)}" for i in range(100)]
    file.write_text("\n".join(["rater,item,model,correct", *answers]))
    assert main(["study", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["gan"]
    assert (found["n"], found["raters"], round(found["p"], 5)) == (100, 2, 0.05689)
    assert main(["study", str(file)]) == 0
    assert "0.502 to 0.691" in capsys.readouterr().out


def test_a_study_of_pairs(tmp_path, capsys):
    file = tmp_path / "pairs.csv"
    file.write_text("winner,loser\n" + "a,b\n" * 30 + "b,a\n" * 10)
    assert main(["study", str(file), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["model"], first["won"], first["comparisons"]) == ("a", 30, 40)
    assert first["ability"] - second["ability"] == pytest.approx(np.log(3))  # the odds
    assert main(["study", str(file)]) == 0
    assert "Bradley and Terry" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "rater,model\na,b\n", "winner,loser\na,b\n", "winner\na\n"])
def test_studies_that_say_nothing_are_one_line(text, tmp_path, capsys):
    (tmp_path / "study.csv").write_text(text)
    fails(capsys, "study", str(tmp_path / "study.csv"))


@pytest.mark.parametrize(
    ("words", "new"),
    [
        (("evaluate", "digits:train", "--limit", "3"), "'--max-examples'"),
        (("evaluate", "digits:train", "--against", "ring"), "'--anomaly-data'"),
        (("evaluate", "digits:train", "--metrics", "classes"), "'class-coverage'"),
        (("evaluate", "digits:train", "--metrics", "enlargement"), "'super-resolution'"),
        (("train", "gan", "--train.validate", "fid"), "'train.monitor'"),
        (("train", "gan", "--train.decay", "2"), "'train.lr_decay_factor'"),
        (("train", "gan", "--evaluate.bootstrap", "9"), "'evaluate.resamples'"),
        (("train", "gan", "--data", "hidden-digits"), "'unpaired-digits'"),
    ],
)
def test_an_old_name_is_answered_with_the_new_one(words, new, capsys):
    with suppress(SystemExit):
        main([*words])
    assert new in capsys.readouterr().err
