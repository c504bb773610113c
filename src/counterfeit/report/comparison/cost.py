"""What runs cost: in training as they recorded it, in sampling as it is measured now, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import torch

from counterfeit.common.threads import clock
from counterfeit.core import Generator, Samples
from counterfeit.evaluation.subject import Subject
from counterfeit.inference.draws import evaluating

__all__ = ["COSTS", "costs", "sampling_seconds"]

STEPS, SECONDS, CPU_SECONDS = "training steps", "training time, s", "training time, CPU s"
MEMORY, PARAMETERS, WEIGHTS = "peak memory of training, MB", "parameters", "weights, MB"
SAMPLING = "sampling 1,000, s"
COSTS = (STEPS, SECONDS, CPU_SECONDS, MEMORY, PARAMETERS, WEIGHTS, SAMPLING)
DRAWN = 1_000  # samples in a measurement
REPEATS = 5
PATIENCE = 2.0  # seconds of one draw, beyond which it is not repeated


def costs(contestants: Mapping[str, Subject]) -> dict[str, dict[str, float]]:
    """Name -> quantity -> number; nothing for samples made elsewhere."""
    runs = {name: run for name, one in contestants.items() if (run := one.run)}
    drawing = sampling_seconds({name: run.model for name, run in runs.items() if isinstance(run.model, Samples)})
    found: dict[str, dict[str, float]] = {name: {} for name in contestants}
    for name, run in runs.items():
        state, sizes = run.state, [(p.numel(), p.nbytes) for p in run.model.parameters()]
        found[name] = {
            STEPS: state["step"], SECONDS: state["seconds"], CPU_SECONDS: state["cpu_seconds"],
            PARAMETERS: sum(n for n, _ in sizes), WEIGHTS: sum(size for _, size in sizes) / 2**20,
        }  # fmt: skip
        if state.get("memory"):
            found[name][MEMORY] = state["memory"] / 2**20
        if name in drawing:
            found[name][SAMPLING] = drawing[name]
    return found


def sampling_seconds(models: Mapping[str, Generator]) -> dict[str, float]:
    """Seconds that 1,000 samples take: the median of five turns, in each of which every model draws once.

    What draws slowly draws once only, and fewer samples where even these take long.
    """
    first = {name: _seconds(model, DRAWN // 50) * 50 for name, model in models.items()}  # also warms up
    turns: dict[str, list[float]] = {name: [seconds] for name, seconds in first.items()}
    quick = {name: model for name, model in models.items() if first[name] < PATIENCE}
    for turn in range(REPEATS):
        for name, model in quick.items():
            turns[name] = [*(turns[name] if turn else ()), _seconds(model, DRAWN)]
    return {name: statistics.median(seconds) for name, seconds in turns.items()}


def _seconds(model: Generator, n: int) -> float:
    now = clock(model.device)
    with evaluating(model, 0):
        start = now()
        model.sample(n)  # type: ignore[operator]
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        return now() - start
