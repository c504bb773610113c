"""The studio's speed: its start, its first page, its memory, and from a code to its picture beside a training.

    python benchmarks/studio.py RUN… [--requests 300] [--out results/studio.json]

Latencies are of whole requests over a kept connection, as a page makes them while a slider moves: a code is sent, the
model decodes it, and a PNG comes back. They are measured at rest, and again while `counterfeit train` trains beside, in
a process of its own with the threads that it takes by itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from counterfeit.common.files import write_json
from counterfeit.report.results_file import machine
from counterfeit.studio.gate import CSRF

TRAINING = ("gan-mnist", "--train.steps", "100000", "--train.tensorboard", "false")


class Page:
    """A browser's page, as far as requests go."""

    def __init__(self, address: str) -> None:
        host, token = re.match(r"http://([^/]+)/\?token=(\S+)", address).groups()  # type: ignore[union-attr]
        self.host, self.connection = host, http.client.HTTPConnection(host, timeout=120)
        self.connection.request("GET", f"/?token={token}")
        answer = self.connection.getresponse()
        answer.read()
        self.cookie = answer.getheader("set-cookie", "").split(";")[0]
        self.key = ""
        self.key = re.search(r'name="csrf" content="([^"]+)"', self.ask("GET", "/").decode())[1]  # type: ignore[index]

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """What the studio answers."""
        headers = {"cookie": self.cookie, "origin": f"http://{self.host}", CSRF: self.key}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
        return text

    def latencies(self, run: str, requests: int) -> dict[str, float]:
        """Milliseconds from a code to its picture: the median, and what 95 of 100 stay below."""
        z = json.loads(self.ask("POST", f"/api/runs/{run}/ask/start", {"seed": 0}))["z"]
        times = []
        for i in range(requests + 20):
            z[0] = 4 * (i / requests) - 2
            start = time.perf_counter()
            self.ask("POST", f"/api/runs/{run}/ask/decode", {"z": [z]})
            times.append(1e3 * (time.perf_counter() - start))
        kept = times[20:]
        return {"p50": statistics.median(kept), "p95": statistics.quantiles(kept, n=20)[-1]}


def memory(pid: int) -> float:
    """Resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of models that decode codes")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for path in args.runs:
            shutil.copytree(path, root / path.name)
        command = [sys.executable, "-m", "counterfeit", "studio", place, "--port", "0", "--no-browser"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            found, rows = measured(server, root, [path.name for path in args.runs], args.requests)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({**found, "rows": rows}, indent=1))
    if args.out:
        names = " ".join(f"runs/{path.name}" for path in args.runs)
        command = f"python benchmarks/studio.py {names} --requests {args.requests} --out {args.out}"
        kept = {"name": "studio", "commands": [command], "machine": machine(), "summary": found, "rows": rows}
        write_json(args.out, kept)


def measured(
    server: subprocess.Popen[str], root: Path, runs: list[str], requests: int
) -> tuple[dict[str, float], list[dict[str, Any]]]:  # fmt: skip
    """Seconds until the studio is ready and has shown its list, its memory in MB, and latencies."""
    start = time.perf_counter()
    told = server.stdout.readline()  # type: ignore[union-attr]
    ready = time.perf_counter() - start
    page = Page(re.search(r"http://\S+", told)[0])  # type: ignore[index]
    page.ask("GET", "/api/runs")
    first = time.perf_counter() - start - ready
    rows = [{"run": run, "beside": "nothing", **page.latencies(run, requests)} for run in runs]
    training = [sys.executable, "-m", "counterfeit", "train", *TRAINING, "--out", str(root / "training")]
    busy = subprocess.Popen(training, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (root / "training" / "events.jsonl").exists():
            time.sleep(0.5)
        time.sleep(5)
        rows += [{"run": run, "beside": "a training", **page.latencies(run, requests)} for run in runs]
    finally:
        busy.kill()
        busy.wait()
    return {"ready": ready, "list": first, "memory": memory(server.pid), "runs": len(runs)}, rows


if __name__ == "__main__":
    main()
