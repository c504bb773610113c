"""Training of diffusion models beside `diffusers`: U-Nets of as many products, data, minibatches, in one run.

    pip install --no-deps diffusers
    pip install huggingface_hub safetensors importlib_metadata regex requests httpx
    python benchmarks/unets.py [--rounds 5] [--steps 200] [--seeds 2] [--out results/unets.json]

Both have 32, 64 and 64 channels at 32, 16 and 8 pixels, attention at the last, eight groups of channels and scales and
shifts by the level of noise. The `UNet2DModel` has one block on the way down and two on the way back, ours two and two:
2.5 % more products. Theirs is trained as the package's example of unconditional training does, with AdamW; ours by the
project's step loop, in float32 and with products in bfloat16 (`--train.precision bf16`). Data are CIFAR-10 in memory,
minibatches of 32, noise by the linear schedule. Rounds alternate, on one thread, in a process that keeps memory that is
freed; a ratio is the median over rounds. Sampling is DDIM of 20 steps, 16 pictures at once. Then all learn for as many
steps from each seed, and their squared errors of the same noise in test pictures are compared.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from beside import Precision, Row, Step, compared, minibatches, our_step, seconds, their_step
from torch import Tensor
from torch.nn.functional import mse_loss

from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.data.sources.cifar10 import CIFAR10
from counterfeit.models.diffusion.diffusion import Diffusion
from counterfeit.models.diffusion.shared.nets import DenoiserNets
from counterfeit.models.diffusion.shared.noise import NoiseLevel, NoiseSettings
from counterfeit.models.diffusion.shared.samplers import SamplingSettings
from counterfeit.report.results_file import publish

SHAPE, BATCH, LR, TIMESTEPS = (3, 32, 32), 32, 1e-4, 1000
TIMED, DRAWN, DRAWS = 4, 16, 20  # steps that are timed; samples drawn at once, and in how many steps
LOG_SNR = (1 - torch.linspace(1e-4, 0.02, TIMESTEPS)).cumprod(0).logit()  # of the linear schedule (Ho et al., 2020)
LEVELS = range(25, TIMESTEPS, 50)  # of noise, at which test pictures are measured


class Contender(NamedTuple):
    """What trains, noise in z at one of the TIMESTEPS, and a draw of samples."""

    step: Step
    noise: Callable[[Tensor, int], Tensor]
    draw: Callable[[], object]


def ours(precision: Precision) -> Contender:
    """Of this package."""
    nets = DenoiserNets(width=32, multipliers=(1, 2, 2), blocks=2, attention=8)
    sampling = SamplingSettings(sampler="ddim", sampling_steps=DRAWS)
    noise = NoiseSettings(schedule="linear", timesteps=TIMESTEPS)
    model = Diffusion(Spec(SHAPE), "epsilon", noise=noise, sampling=sampling, nets=nets)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def found(z: Tensor, t: int) -> Tensor:
        return model.eval().net(z, LOG_SNR[t].expand(len(z)))[:, 0]

    step = our_step(model, BATCH, LR, precision)
    return Contender(lambda x: step((x + 1) / 2), found, lambda: model.eval().sample(DRAWN))


def theirs() -> Contender:
    """Of diffusers."""
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel

    kinds = "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"
    net = UNet2DModel(
        sample_size=SHAPE[1], in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(32, 64, 64),
        down_block_types=kinds, up_block_types=tuple(kind.replace("Down", "Up") for kind in reversed(kinds)),
        norm_num_groups=8, attention_head_dim=32, resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    scheduler = DDPMScheduler(num_train_timesteps=TIMESTEPS, beta_schedule="linear")

    def loss(x: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(TIMESTEPS, (len(x),))
        return mse_loss(net(scheduler.add_noise(x, noise, t), t).sample, noise)

    def draw() -> object:
        pipeline = DDIMPipeline(net.eval(), DDIMScheduler.from_config(scheduler.config))
        pipeline.set_progress_bar_config(disable=True)
        return pipeline(batch_size=DRAWN, num_inference_steps=DRAWS, output_type="np")

    step = their_step(net, loss, torch.optim.AdamW(net.parameters(), LR))
    return Contender(step, lambda z, t: net.eval()(z, t).sample, draw)


MAKERS: tuple[Callable[[], Contender], ...] = partial(ours, "fp32"), partial(ours, "bf16"), theirs


def drawing(contender: Contender) -> float:
    """Seconds of the processor that samples take."""
    start = time.process_time()
    with torch.no_grad():
        contender.draw()
    return time.process_time() - start


def error(contender: Contender, test: Tensor) -> float:
    """The mean squared error of noise in test pictures, over LEVELS."""
    found = []
    with seeded(0), torch.no_grad():
        for t in LEVELS:
            noise = torch.randn_like(test)
            z = NoiseLevel.of(LOG_SNR[t]).noised(test, noise)
            found.append(float(mse_loss(contender.noise(z, t), noise)))
    return statistics.fmean(found)


def learned(make: Callable[[], Contender], x: Tensor, test: Tensor, steps: int, seed: int) -> float:
    """The error after so many steps."""
    with seeded(seed):
        contender = make()
        for batch in minibatches(x, steps, BATCH, seed):
            contender.step(batch)
        return error(contender, test)


def errors(x: Tensor, test: Tensor, steps: int, seeds: int) -> Row:
    """Means over seeds, and ours less theirs with its standard error."""
    mine, narrow, other = ([learned(make, x, test, steps, seed) for seed in range(seeds)] for make in MAKERS)
    row: Row = {"our_error": mine, "bf16_error": narrow, "their_error": other}
    row = {name: round(statistics.fmean(values), 5) for name, values in row.items()}  # type: ignore[arg-type]
    for prefix, values in (("", mine), ("bf16_", narrow)):
        gaps = [a - b for a, b in zip(values, other, strict=True)]
        spread = statistics.stdev(gaps) / math.sqrt(seeds) if seeds > 1 else math.nan
        row |= {f"{prefix}difference": round(statistics.fmean(gaps), 5), f"{prefix}spread": round(spread, 5)}
    return {**row, "steps": steps}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of learning")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    source = CIFAR10()
    x, test = (2 * source.split(split).first(n).x - 1 for split, n in (("train", 20_000), ("test", 200)))
    contenders = [make() for make in MAKERS]
    rounds = range(args.rounds + 1)
    trained = [tuple(seconds(each.step, x, BATCH, TIMED) for each in contenders) for _ in rounds][1:]
    drawn = [tuple(map(drawing, contenders)) for _ in rounds][1:]
    rows: list[Row] = [
        {"what": "training", "peer": "diffusers", **compared(trained, BATCH)},
        {"what": "sampling", "peer": "diffusers", **compared(drawn, DRAWN)},
        {"what": "learning", "peer": "diffusers", **errors(x, test, args.steps, args.seeds)},
    ]
    options = f"--rounds {args.rounds} --steps {args.steps} --seeds {args.seeds}"
    publish("unets", f"python benchmarks/unets.py {options}", args.out, batch=BATCH, rows=rows)


if __name__ == "__main__":
    main()
