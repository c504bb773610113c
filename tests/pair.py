"""Training in this process, and in two that share the work: started once, they train as each line of JSON says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from itertools import count
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from counterfeit import catalogue
from counterfeit.catalogue import Recipe, build
from counterfeit.config.settings import Config
from counterfeit.engine.distributed import Processes, processes
from counterfeit.engine.fit import Display, fit


def weights(config: Config, folder: Path, group: Processes) -> dict[str, Tensor]:
    """The parameters after training by `config`."""
    config, source = catalogue.training_data(config)
    model = build(config, source, torch.device("cpu"))
    folder.mkdir(exist_ok=True)
    fit(folder, model, source, config.train, None, group, display=Display(progress=False))
    return {name: p.detach().clone(memory_format=torch.contiguous_format) for name, p in model.named_parameters()}


class Pair:
    """Two processes that train together; `pair(config)` gives the parameters of each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, count()
        self.workers: list[subprocess.Popen[str]] = []

    def __call__(self, config: Config) -> list[dict[str, Tensor]]:
        """Train by `config` in both."""
        self.workers = self.workers or [self._start(rank) for rank in range(2)]
        task = json.dumps({"folder": str(self.folder / f"pair-{next(self.numbers)}"), "settings": config.to_dict()})
        for worker in self.workers:
            print(task, file=worker.stdin, flush=True)
        return [self._answer(worker) for worker in self.workers]

    def close(self) -> None:
        """End both, which have nothing to save."""
        for worker in self.workers:
            worker.kill()
            worker.communicate()

    def _answer(self, worker: subprocess.Popen[str]) -> dict[str, Tensor]:
        line = worker.stdout.readline().strip() if worker.stdout else ""
        assert line, f"a process ended with status {worker.wait()}"
        return load_file(line)

    def _start(self, rank: int) -> subprocess.Popen[str]:
        loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
        variables = {"WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, str(rank), str(self.folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env={**os.environ, **variables}, **pipes)  # type: ignore[call-overload]


def serve(rank: int, folder: Path) -> None:
    """Train as each line of the standard input says, and answer with where the parameters lie."""
    torch.distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    for line in sys.stdin:
        task = json.loads(line)
        settings = {section: task["settings"][section] for section in catalogue.SETTINGS}
        config = catalogue.configure(Recipe("pair", "", settings))
        answer = Path(f"{task['folder']}-{rank}.safetensors")
        save_file(weights(config, Path(task["folder"]), processes()), answer)
        print(answer, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
