"""Loss curves of `gan-mnist-2014` in bf16 against fp32, several seeds, and against fp32 whose start is nudged.

    python benchmarks/precision.py [--seeds 5] [--steps 2000] [--threads 1] [--out results/precision.json]

Each seed trains three times on the same minibatches and the same noise: in fp32, in bf16, and in fp32 from weights
that are off by a millionth of themselves. Adversarial training is chaotic, so all three part in time; bf16 is as good
as fp32 where it parts no further from it than the nudged run does and the curves agree in the mean over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from counterfeit import catalogue
from counterfeit.catalogue import build
from counterfeit.core import Batch, Clock
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.report.results_file import publish

RECIPE, WINDOW, NUDGE = "gan-mnist-2014", 50, 1e-6
VARIANTS = ("fp32", "bf16", "nudged")
LOSSES = ("discriminator/loss", "generator/loss")


def curves(variant: str, seed: int, steps: int) -> Tensor:
    """Both players' losses, averaged over windows, (2, steps / WINDOW)."""
    precision = "bf16" if variant == "bf16" else "fp32"
    settings = {"train": {"precision": precision, "seed": seed}}
    config = catalogue.configure(catalogue.recipe(RECIPE), settings)
    config, source = catalogue.training_data(config)
    examples = source.split("train")
    model = build(config, source, torch.device("cpu"))
    torch.manual_seed(seed)
    model.initialize(examples.first())  # type: ignore[operator]
    if variant == "nudged":
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1 + NUDGE * torch.randn(p.shape, generator=generator))
    stepper = Stepper(model, config.train, Processes())
    torch.manual_seed(seed)

    def draw() -> Batch:
        return examples[torch.randint(len(examples), (config.train.batch_size,))]

    logs = [stepper.step([draw], Clock(step, config.train.steps)) for step in range(steps)]
    found = torch.stack([torch.stack([log[name].float() for name in LOSSES]) for log in logs])  # (steps, 2)
    return found.view(-1, WINDOW, 2).mean(1).T


def parted(curve: Tensor, reference: Tensor, share: float) -> list[int]:
    """The step by which each seed's losses, (seeds, 2, windows), first differ by more than `share` of themselves."""
    off = ((curve - reference).abs() > share * reference.abs()).any(1)  # (seeds, windows)
    first = torch.where(off.any(1), off.int().argmax(1), off.shape[1])
    return (WINDOW * first).tolist()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    runs = {v: torch.stack([curves(v, seed, args.steps) for seed in range(args.seeds)]) for v in VARIANTS}
    reference = runs["fp32"]
    error = {v: x.std(0) / args.seeds**0.5 for v, x in runs.items()}
    rows = []
    for variant, x in runs.items():
        off = (x.mean(0) - reference.mean(0)).abs() / (error[variant].square() + error["fp32"].square()).sqrt()
        rows.append(
            {
                "variant": variant,
                "parted by 1 % at step": parted(x, reference, 0.01),
                "parted by 10 % at step": parted(x, reference, 0.1),
                "mean losses at the end": [round(v, 4) for v in x[:, :, -5:].mean((0, 2)).tolist()],
                "share of windows within two standard errors": round(float((off < 2).float().mean()), 3),
                "curves": {n: [round(v, 4) for v in x[:, i].mean(0).tolist()] for i, n in enumerate(LOSSES)},
            }
        )
    options = f"--seeds {args.seeds} --steps {args.steps} --threads {args.threads}"
    publish("precision", f"python benchmarks/precision.py {options}", args.out, recipe=RECIPE, window=WINDOW, rows=rows)


if __name__ == "__main__":
    main()
