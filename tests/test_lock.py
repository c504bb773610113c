"""One trainer a run folder: the lock, who holds it, and that it goes with its process."""

import json
import os
import signal
import subprocess
import sys

import pytest

import counterfeit as cf
from counterfeit.cli import main
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.lock import locked

ALONE = Processes()
TINY = {"model": {"hidden": [8], "discriminator_hidden": [8], "noise_dim": 2},
        "train": {"steps": 4, "batch_size": 8, "save_every": 2, "log_every": 2, "tensorboard": False}}  # fmt: skip
HOLD = """
import sys, time
from pathlib import Path
from counterfeit.engine.distributed import Processes
from counterfeit.engine.lock import locked
with locked(Path(sys.argv[1]), Processes()):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return cf.train("gan", out=tmp_path / "run", settings=TINY, show=False)


@pytest.fixture
def holder(run):
    """Another process that holds the run's lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_trainer_is_refused_in_one_line_that_names_the_first_and_nothing_changes(run, holder, capsys):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert main(["resume", str(run.path), "--train.steps", "8"]) == 2
    error = capsys.readouterr().err.strip()
    told = json.loads((run.path / "lock").read_text())
    assert "\n" not in error
    assert f"is being trained by process {holder.pid} on {told['host']} since {told['since']}." in error
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_readers_go_on_while_another_process_trains(run, holder, tmp_path):
    assert main(["sample", str(run.path), "-n", "4", "--out", str(tmp_path / "x.npy")]) == 0
    assert main(["evaluate", str(run.path), "--metrics", "nearest", "--samples", "20", "--json"]) == 0
    assert main(["report", str(run.path)]) == 0


def test_the_lock_goes_with_a_killed_process(run, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert cf.resume(run.path, {"train.steps": 6}, show=False).state["step"] == 6


@pytest.mark.parametrize("content", [b'{"pid": 1, "host": "elsewhere", "since": "2020-01-01"}', b"\xff\x00", b""])
def test_a_file_left_behind_locks_nothing(run, content):
    (run.path / "lock").write_bytes(content)
    assert cf.resume(run.path, {"train.steps": 6}, show=False).state["step"] == 6


@pytest.mark.parametrize("content", ["", "[]", "null", '{"pid": 1}', "\x00"])
def test_a_lock_that_names_nobody_still_refuses(tmp_path, content):
    with locked(tmp_path, ALONE):
        (tmp_path / "lock").write_text(content)
        with pytest.raises(ValueError, match="is being trained by another process"), locked(tmp_path, ALONE):
            pass


def test_the_lock_is_given_back_where_training_fails(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path, ALONE):
        raise KeyError
    with locked(tmp_path, ALONE):
        pass


def test_runs_started_in_one_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken = iter(["runs/gan-1", "runs/gan-1", "runs/gan-2"])
    monkeypatch.setattr("counterfeit.run.folder.default_folder", lambda _: type(tmp_path)(next(taken)))
    (tmp_path / "runs" / "gan-1" / "checkpoints").mkdir(parents=True)  # of a process that was faster
    assert cf.train("gan", settings=TINY, show=False).name == "gan-2"


def test_two_evaluations_at_once_lose_nothing(run, monkeypatch):
    from counterfeit.run import run as module

    measure = module.measure

    def slow(*args):
        results = measure(*args)
        monkeypatch.setattr(module, "measure", measure)
        cf.Run(run.path).evaluate("parzen", samples=20)  # another process ends first
        return results

    monkeypatch.setattr(module, "measure", slow)
    run.evaluate("nearest", samples=20)
    assert set(run.evaluation) == {"nearest", "parzen"}


def test_a_reader_takes_the_next_checkpoint_where_a_trainer_removes_the_one_in_use(run):
    reader = cf.Run(run.path, "newest")
    assert reader.checkpoint.name == "step-00000004"
    cf.resume(run.path, {"train.steps": 8}, show=False)
    checkpoint._remove(run.path / "checkpoints" / "step-00000004") if reader.checkpoint.exists() else None
    reader.sample(2)
    assert reader.checkpoint.name == "step-00000008"
