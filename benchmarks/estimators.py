"""Estimators of unnormalized models against the truth, as the number of examples grows.

    python benchmarks/estimators.py [--sizes 200,1000,5000,25000,100000] [--seeds 5] [--out results/estimators.json]
        [--figure docs/_static/estimators.svg]

Examples of a known density, a Gaussian in 5 dimensions, a mixture of three in 2 or independent components in 3, are
fitted by an energy of the same form: by maximum likelihood, which knows the normalizer in closed form; by
noise-contrastive estimation with Gaussian noise, once and ten times as frequent as the data, which learns it; and by
exact and sliced score matching, which need none. All descend to the minimum by L-BFGS in double precision. Errors are
of the parameters (precision matrix, means, unmixing matrix; relative, in Frobenius norm, up to order and signs of
components), and of the normalizer Z that was learned, against that of the fitted energy.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.files import write_json
from counterfeit.common.numerics import kmeans
from counterfeit.common.seeding import mix, seeded
from counterfeit.core import Batch, Spec
from counterfeit.models.energy.nce import NCE
from counterfeit.models.energy.score_matching import exact, sliced
from counterfeit.models.energy.shared.unnormalized import Unnormalized, unnormalized
from counterfeit.report.html.plot import LIGHT, svg
from counterfeit.report.results_file import machine

ITERATIONS = 400
DOUBLE = torch.float64
FACTOR = torch.tensor([[1.0, 0, 0, 0, 0], [0.5, 1.2, 0, 0, 0], [-0.3, 0.4, 0.8, 0, 0], [0.2, -0.6, 0.3, 1.0, 0],
                       [0.1, 0.2, -0.5, 0.4, 0.9]], dtype=DOUBLE)  # fmt: skip
MEANS = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.5, -2.5]], dtype=DOUBLE)
WEIGHTS, SCALES = torch.tensor([0.5, 0.3, 0.2], dtype=DOUBLE), torch.tensor([0.7, 0.5, 0.9], dtype=DOUBLE)
MIXING = torch.tensor([[1.0, 0.5, -0.3], [0.2, 1.0, 0.6], [-0.4, 0.3, 1.0]], dtype=DOUBLE)


def gaussian(n: int) -> Tensor:
    """(n, 5)."""
    return 1.0 + torch.randn(n, 5, dtype=DOUBLE) @ FACTOR.mT


def mixture(n: int) -> Tensor:
    """(n, 2)."""
    k = torch.multinomial(WEIGHTS, n, replacement=True)
    return MEANS[k] + SCALES[k, None] * torch.randn(n, 2, dtype=DOUBLE)


def components(n: int) -> Tensor:
    """Logistic sources, mixed, (n, 3)."""
    u = torch.rand(n, 3, dtype=DOUBLE).clamp(1e-12, 1 - 1e-12)
    return torch.logit(u) @ MIXING.mT


def precision_error(net: Unnormalized) -> float:
    """Of the precision matrix."""
    factor = net.factor.detach().tril() / net.std[:, None]
    truth = torch.linalg.inv(FACTOR @ FACTOR.mT)
    return float((factor @ factor.mT - truth).norm() / truth.norm())


def means_error(net: Unnormalized) -> float:
    """Of the means, in the order that is nearest."""
    found = net.loc + net.std * net.means.detach()
    return min(float((found[[*order]] - MEANS).norm() / MEANS.norm()) for order in permutations(range(3)))


def unmixing_error(net: Unnormalized) -> float:
    """Of the unmixing matrix times the true mixing, which is the identity up to order and signs."""
    product = (net.unmixing.detach() / net.std) @ MIXING
    every = [product[[*order]] for order in permutations(range(3))]
    return min(float((p * p.diagonal().sign()[:, None] - torch.eye(3)).norm()) / math.sqrt(3) for p in every)


DENSITIES: dict[str, tuple[str, Callable[[int], Tensor], Callable[[Any], float]]] = {
    "Gaussian": ("gaussian", gaussian, precision_error),
    "mixture": ("mixture", mixture, means_error),
    "independent components": ("ica", components, unmixing_error),
}


def descended(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """Parameters at a minimum of the loss."""
    optimizer = torch.optim.LBFGS(parameters, max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)  # type: ignore[arg-type]


def begun(energy: str, x: Tensor) -> Unnormalized:
    """An energy that has seen the data's moments, and a mixture where groups of them lie."""
    net = unnormalized(energy, x.shape[1], (), 3).double()
    net.fit(x)
    if energy == "mixture":
        net.means.data.copy_(kmeans(((x - net.loc) / net.std).float(), 3).double())
    return net


def contrasted(energy: str, x: Tensor, ratio: int) -> tuple[Unnormalized, float]:
    """The energy that noise-contrastive estimation finds, and the error of its normalizer, a share of Z."""
    model = NCE(Spec((x.shape[1],), "real"), energy, components=3, noise_ratio=ratio).double()  # type: ignore[arg-type]
    model.initialize(Batch(x))
    model.net.load_state_dict(begun(energy, x).state_dict())
    y = model.noise.draw(len(x) * ratio)  # type: ignore[union-attr]
    descended([*model.net.parameters(), *model.normalizer.parameters()], lambda: model.contrast(x, y)[0])
    log_z = model.net.log_z()
    return model.net, abs(math.expm1(float(model.normalizer.log_z.detach() - log_z.detach())))


def fitted(energy: str, x: Tensor, criterion: Callable[[Unnormalized], Tensor]) -> tuple[Unnormalized, None]:
    """The energy that descends a criterion."""
    net = begun(energy, x)
    descended([*net.parameters()], lambda: criterion(net))
    return net, None


def fixed(x: Tensor, net: Unnormalized) -> Tensor:
    """The sliced criterion with the same directions at every call."""
    with seeded(1):
        return sliced(net, x).mean()


METHODS: dict[str, Callable[[str, Tensor], tuple[Unnormalized, float | None]]] = {
    "maximum likelihood": lambda energy, x: fitted(energy, x, lambda net: net(x).mean() + net.log_z()),
    "NCE, ν = 1": lambda energy, x: contrasted(energy, x, 1),
    "NCE, ν = 10": lambda energy, x: contrasted(energy, x, 10),
    "score matching": lambda energy, x: fitted(energy, x, lambda net: exact(net, x).mean()),
    "sliced score matching": lambda energy, x: fitted(energy, x, lambda net: fixed(x, net)),
}


def row(density: str, method: str, n: int, seeds: int) -> dict[str, Any]:
    """Median errors over seeds of the data, in percent."""
    energy, draw, error = DENSITIES[density]
    errors, normalizers = [], []
    for seed in range(seeds):
        with seeded(mix(seed, n)):
            net, of_z = METHODS[method](energy, draw(n))
        errors.append(100 * error(net))
        normalizers += [] if of_z is None else [100 * of_z]
    found = {"density": density, "method": method, "n": n, "seeds": seeds}
    found |= {"parameters_percent": round(statistics.median(errors), 4), "worst_percent": round(max(errors), 4)}
    return found | ({"z_percent": round(statistics.median(normalizers), 4)} if normalizers else {})


def draw_all(rows: list[dict[str, Any]], axes: Any) -> None:
    """Errors over numbers of examples, a plot for each density."""
    for place, density in enumerate(DENSITIES):
        one = axes[place]
        for color, method in zip(LIGHT.curves, METHODS, strict=False):
            mine = [found for found in rows if (found["density"], found["method"]) == (density, method)]
            sizes, values = [found["n"] for found in mine], [found["parameters_percent"] for found in mine]
            one.plot(sizes, values, marker=".", color=color, label=method, linewidth=1.5)
        one.set_xscale("log")
        one.set_yscale("log")
        one.set_title(density)
        one.set_xlabel("examples")
    axes[0].set_ylabel("error of parameters, %")
    axes[0].legend(frameon=False, labelcolor="linecolor", handlelength=1.2, fontsize=7.5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="200,1000,5000,25000,100000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sizes, rows = [*map(int, args.sizes.split(","))], []
    for n in sizes:
        for density in DENSITIES:
            for method in METHODS:
                rows.append(row(density, method, n, args.seeds))
                print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    command = f"python benchmarks/estimators.py --sizes {args.sizes} --seeds {args.seeds}"
    if args.out:
        write_json(args.out, {"name": "estimators", "machine": machine(), "commands": [command], "rows": rows})
    if args.figure:
        args.figure.write_bytes(svg(lambda axes: draw_all(rows, axes), LIGHT, (9.0, 3.0), columns=len(DENSITIES)))


if __name__ == "__main__":
    main()
