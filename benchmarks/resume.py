"""Kill training with SIGKILL at random moments, resume it, and compare the final weights with an unbroken run's.

    python benchmarks/resume.py [--kills 20] [--recipe gan] [--steps 600] [--out results/resume.json]

Every trial starts the command line in a process of its own, kills it at a random moment, resumes it, and compares both
files of the last checkpoint byte for byte.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from counterfeit.common.files import write_json
from counterfeit.report.results_file import machine

FILES = ("model.safetensors", "training.safetensors")


def command(*words: str) -> list[str]:
    """The command line, without evaluation and report."""
    return [sys.executable, "-m", "counterfeit", *words, "--no-evaluate", "--no-report"]


def weights(run: Path, steps: int) -> list[bytes]:
    """The bytes of the last checkpoint."""
    return [(run / "checkpoints" / f"step-{steps:08d}" / name).read_bytes() for name in FILES]


def trial(words: list[str], run: Path, moment: float) -> str:
    """Train into `run`, kill `moment` seconds after training began, resume; returns where it was killed."""
    process = subprocess.Popen(command(*words, "--out", str(run)), stderr=subprocess.DEVNULL)
    while not (run / "events.jsonl").exists():
        time.sleep(0.01)
    time.sleep(moment)
    process.kill()
    process.wait()
    saved = sorted(p.name for p in (run / "checkpoints").glob("step-*"))
    anew = [] if saved else ["--anew"]
    subprocess.run(command("resume", str(run), *anew), check=True, stderr=subprocess.DEVNULL)
    return f"after {saved[-1]}" if saved else "before the first checkpoint"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--recipe", default="gan")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    words = [
        "train",
        args.recipe,
        "--train.steps",
        str(args.steps),
        "--train.save_every",
        str(max(1, args.steps // 40)),
    ]
    chance, rows = random.Random(args.seed), []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        whole = Path(folder) / "whole"
        subprocess.run(command(*words, "--out", str(whole)), check=True, stderr=subprocess.DEVNULL)
        seconds = json.loads((whole / "checkpoints" / f"step-{args.steps:08d}" / "state.json").read_text())["seconds"]
        print(f"unbroken run: {seconds:.1f} s of training, {time.perf_counter() - start:.1f} s in all")
        for i in range(args.kills):
            run = Path(folder) / f"run-{i}"
            killed = trial(words, run, chance.uniform(0.0, 0.95) * seconds)
            rows.append({"killed": killed, "identical": weights(run, args.steps) == weights(whole, args.steps)})
            print(rows[-1])
    same = sum(row["identical"] for row in rows)
    content = {
        "name": "resume", "machine": machine(), "rows": rows, "summary": {"identical": same, "kills": len(rows)},
        "commands": [f"python benchmarks/resume.py --kills {args.kills} --recipe {args.recipe} --steps {args.steps}"],
    }  # fmt: skip
    print(f"{same} of {len(rows)} resumed runs ended bit-identical")
    if args.out:
        write_json(args.out, content)


if __name__ == "__main__":
    main()
