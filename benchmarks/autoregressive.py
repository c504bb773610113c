"""What NADE gains by its own way back, and what autoregressive models gain by a cache in sampling, in one run.

    python benchmarks/autoregressive.py --out results/autoregressive.json

Times are CPU seconds of one thread. A training step is that of 100 binary images of 28x28 pixels, by gradients that are
written out and by automatic differentiation of a loop over all values; both are the same. Samples are drawn from the
cache and by recomputing every conditional for every value; both are the same.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from counterfeit.common.files import write_json
from counterfeit.common.memory import keep_freed
from counterfeit.common.seeding import seeded
from counterfeit.core import Batch, Clock, Spec
from counterfeit.models.autoregressive.diagonal_bilstm import DiagonalBiLSTM
from counterfeit.models.autoregressive.fvsbn import FVSBN
from counterfeit.models.autoregressive.gated_pixelcnn import GatedPixelCNN
from counterfeit.models.autoregressive.made import MADE
from counterfeit.models.autoregressive.nade import NADE
from counterfeit.models.autoregressive.pixelcnn import PixelCNN
from counterfeit.models.autoregressive.row_lstm import RowLSTM
from counterfeit.models.autoregressive.shared.chain import Chain, Recomputed, draw
from counterfeit.models.autoregressive.shared.conditionals import Bernoulli
from counterfeit.models.autoregressive.shared.model import Autoregressive
from counterfeit.report.results_file import machine

IMAGES = Spec((1, 28, 28), "binary")


def looped(model: NADE, x: Tensor) -> Tensor:
    """The log-likelihood of `x`, (B, D), one value after another, nats, (B,)."""
    net, logits = model.net, []
    a = net.bias.expand(len(x), -1)
    for i in range(x.shape[1]):
        logits.append(a.sigmoid() @ net.out_weight[i] + net.out_bias[i])
        a = a + x[:, i : i + 1] * net.weight[i]
    return Bernoulli().log_prob(torch.cat(logits, 1), x).sum(1)


def seconds(do: Callable[[], object], repeats: int) -> float:
    """The fewest CPU seconds that it took."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        do()
        taken.append(time.process_time() - start)
    return min(taken)


def training(repeats: int) -> dict[str, str | float]:
    """Seconds of a step of NADE with its own way back and by automatic differentiation of a loop, and their ratio."""
    model, x = NADE(IMAGES), (torch.rand(100, IMAGES.dims) < 0.13).float()

    def step(log_prob: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(-log_prob().mean(), [*model.parameters()])

    own = seconds(step(lambda: model.training_log_prob(Batch(x), Clock(0, 1))), repeats)
    loop = seconds(step(lambda: looped(model, x)), repeats)
    return {"what": "a step of nade, against differentiating a loop", "quick": own, "slow": loop, "ratio": loop / own}


@torch.no_grad()
def sampling(name: str, model: Autoregressive, n: int) -> dict[str, str | float]:
    """Seconds of `n` samples from the cache and by recomputing, their ratio, and how many values differ."""
    model.eval()
    drawn: list[Tensor] = []

    def sample(chain: Chain) -> Callable[[], object]:
        def once() -> None:
            with seeded(0):
                drawn.append(draw(chain, n))

        return once

    cached = seconds(sample(model.chain(0)), 2)
    naive = seconds(sample(Recomputed(model.chain(0))), 1)
    differing = int((drawn[0] != drawn[-1]).sum())
    what = f"{n} samples of {name}, cached against recomputed"
    return {"what": what, "quick": cached, "slow": naive, "ratio": naive / cached, "differing": differing}


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="steps of training, of which the fastest counts")
    parser.add_argument("--n", type=int, default=4, help="samples")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    models = {
        "fvsbn": FVSBN, "made": MADE, "nade": NADE, "pixelcnn": PixelCNN, "gated-pixelcnn": GatedPixelCNN,
        "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM,
    }  # fmt: skip
    found = {
        "name": "autoregressive",
        "commands": [f"python benchmarks/autoregressive.py --repeats {args.repeats} --n {args.n}"],
        "machine": machine(),
        "rows": [training(args.repeats), *(sampling(name, build(IMAGES), args.n) for name, build in models.items())],
    }
    print(json.dumps(found, indent=1))
    if args.out:
        write_json(args.out, found)


if __name__ == "__main__":
    main()
