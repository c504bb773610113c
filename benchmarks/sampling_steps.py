"""How many steps a sampler needs: the Fréchet distance of a run's samples against steps, for every sampler.

    python benchmarks/sampling_steps.py RUN [--steps 1,2,5,10,20,50] [--samplers ddim,heun] [--samples 10000]
        [--out results/sampling-steps.json] [--figure docs/_static/sampling-steps.svg]

A run of a model with samplers is opened and measured by `fid` as its recipe says, with as many samples. Beside each
distance stand how often the net was asked for a sample and the CPU-seconds of one, on one thread. What was measured is
kept in the file as it comes, and a second call goes on from there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from counterfeit.common.files import write_json
from counterfeit.core import Generator, require
from counterfeit.engine.compile import outermost
from counterfeit.evaluation.measure import measure
from counterfeit.inference.draws import draw_samples
from counterfeit.inference.sampling import HasSamplers, sampling
from counterfeit.report.html.plot import LIGHT, svg
from counterfeit.report.results_file import machine
from counterfeit.run.run import Run

STEPS = (1, 2, 5, 10, 20, 50)
TIMED = 100  # samples whose drawing is timed
SAME = {"euler": "ddim"}  # which need no second row

Row = dict[str, Any]


def cost(model: Generator) -> tuple[int, float]:
    """How often nets are asked for a sample, and CPU-seconds of one."""
    asked: list[None] = []
    hooks = [net.register_forward_hook(lambda *_: asked.append(None)) for net in outermost(model)]
    start = time.process_time()
    draw_samples(model, TIMED, batch_size=TIMED)
    for hook in hooks:
        hook.remove()
    return len(asked), (time.process_time() - start) / TIMED


def row(run: Run, sampler: str, steps: int, samples: int) -> Row:
    """The distance by one sampler in so many steps."""
    with sampling(run.model, {"sampler": sampler, "sampling_steps": steps}):
        found = measure(run, ("fid",), run.settings(samples=samples))["fid"]
        passes, seconds = cost(run.model)
    print(f"{sampler}, {steps} steps: {found}", flush=True)
    return {
        "sampler": sampler, "steps": steps, "passes": passes, "seconds": round(seconds, 5), "samples": found.n,
        "fid": found.value, "error": found.error, "protocol": found.protocol,
    }  # fmt: skip


def draw(found: list[Row], axes: Any) -> None:
    """Distances over the number of passes, a curve for each sampler."""
    for color, sampler in zip(LIGHT.curves, dict.fromkeys(one["sampler"] for one in found), strict=False):
        mine = [one for one in found if one["sampler"] == sampler]
        passes, values = [one["passes"] for one in mine], [one["fid"] for one in mine]
        axes.plot(passes, values, marker=".", color=color, label=sampler, linewidth=1.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(STEPS, map(str, STEPS))
    axes.xaxis.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("passes through the net for a sample")
    axes.set_ylabel("Fréchet distance")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)))
    parser.add_argument("--samplers", help="all of the model where none are named")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    run = Run(args.run, device="cpu")
    known = require(run.model, HasSamplers).samplers
    samplers = args.samplers.split(",") if args.samplers else [name for name in known if name not in SAME]
    options = "".join(f" --{name} {getattr(args, name)}" for name in ("samplers",) if getattr(args, name))
    command = f"python benchmarks/sampling_steps.py RUN --steps {args.steps}{options} --samples {args.samples}"
    kept = json.loads(args.out.read_text(encoding="utf-8"))["rows"] if args.out and args.out.is_file() else []
    done = {(one["sampler"], one["steps"]): one for one in kept}
    content: Row = {
        "name": f"sampling steps of {run.config.recipe}", "commands": [command], "machine": machine(),
        "checkpoint": run.checkpoint.name,
    }  # fmt: skip
    for sampler in samplers:
        for steps in map(int, args.steps.split(",")):
            key = sampler, steps
            done[key] = done.get(key) or row(run, sampler, steps, args.samples)
            if args.out:
                write_json(args.out, {**content, "rows": [*done.values()]})
    print(json.dumps([*done.values()], indent=1))
    if args.figure:
        args.figure.write_bytes(svg(lambda axes: draw([*done.values()], axes), LIGHT, (6.0, 3.4)))


if __name__ == "__main__":
    main()
