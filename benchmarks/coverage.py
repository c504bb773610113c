"""Do 95 % intervals cover the truth? Estimators on fresh data, again and again, where the truth is known.

    python benchmarks/coverage.py

An interval is the value ± 1.96 standard errors, unless the estimator gives its own. Where a truth has no closed form it
is the mean over a million examples or more.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import softplus

from counterfeit.common.estimate import Estimate
from counterfeit.common.files import write_json
from counterfeit.common.numerics import mean_and_error
from counterfeit.common.seeding import seeded
from counterfeit.core import Batch
from counterfeit.data.sources.toy import Ring
from counterfeit.metrics.coverage.birthday_paradox import support_size
from counterfeit.metrics.coverage.memorization import ratio
from counterfeit.metrics.coverage.mode_coverage import mode_coverage
from counterfeit.metrics.features.kid import kernel_distance
from counterfeit.metrics.features.prdc import expected_coverage, prdc
from counterfeit.metrics.likelihood.annealing import annealed_importance, geometric, schedule
from counterfeit.metrics.likelihood.mcmc import HMC
from counterfeit.metrics.likelihood.parzen import log_likelihood
from counterfeit.metrics.representation.linear_probe import logistic
from counterfeit.metrics.stats.proportions import wilson
from counterfeit.metrics.stats.rank_tests import exceedance
from counterfeit.metrics.stats.user_study import Trials, bradley_terry, cluster_bootstrap, d_prime
from counterfeit.models.energy.shared.bipartite import BinaryUnits
from counterfeit.report.results_file import machine

Interval = tuple[float, float]
MANY = 1_000_000


class Case(NamedTuple):
    """An estimator whose truth is known; `draw` makes fresh data and gives the interval."""

    estimator: str
    where: str
    truth: float
    draw: Callable[[], Interval]
    cost: int = 1  # draws are fewer by this factor


def normal(value: float, error: float) -> Interval:
    return value - 1.96 * error, value + 1.96 * error


def likelihoods() -> Iterator[Case]:
    """z ~ N(0, 1), x | z ~ N(z, 1), so x ~ N(0, 2); bounds with the prior as proposal."""
    data = Normal(0.0, math.sqrt(2))

    def importance(n: int, k: int) -> Tensor:
        x = data.sample((n, 1))
        return Normal(torch.randn(n, k), 1.0).log_prob(x).logsumexp(1) - math.log(k)

    where = "linear Gaussian model, n=300"
    yield Case("log-likelihood", where, -float(data.entropy()), lambda: mean_of(data.log_prob(data.sample((300,)))))
    # E log N(x; z, 1) with x and z independent
    elbo = -0.5 * (math.log(2 * math.pi) + 3)
    yield Case("elbo", where, elbo, lambda: mean_of(importance(300, 1)))
    truth = float(torch.cat([importance(MANY // 10, 5) for _ in range(20)]).double().mean())
    yield Case("iwae, k=5", where, truth, lambda: mean_of(importance(300, 5)))
    samples = torch.randn(200, 2)
    many = log_likelihood(torch.randn(MANY, 2), samples, [0.3])[0]
    parzen = lambda: mean_of(log_likelihood(torch.randn(300, 2), samples, [0.3])[0])  # noqa: E731
    yield Case("parzen", "standard normal in the plane, 200 samples, n=300", float(many.double().mean()), parzen)


def mean_of(values: Tensor) -> Interval:
    return normal(*mean_and_error(values))


def normalizers() -> Iterator[Case]:
    """Annealed importance sampling."""
    g = torch.Generator().manual_seed(0)
    w, b, c = (torch.randn(shape, generator=g) for shape in ((10, 6), (10,), (6,)))
    h = torch.tensor([*product((0.0, 1.0), repeat=6)])
    exact = float((h @ c + softplus(h @ w.T + b).sum(1)).double().logsumexp(0))

    def binary() -> Interval:
        found = annealed_importance(BinaryUnits(w, b, c).path_from(), schedule(60), 100)
        return normal(found.value, found.error)

    base = Independent(Normal(torch.zeros(2), 2 * torch.ones(2)), 1)
    energy = lambda x: -0.5 * ((x - 1) / 0.5).square().sum(1)  # noqa: E731

    def real() -> Interval:
        found = annealed_importance(geometric(base, energy, HMC(leapfrogs=3)), schedule(30), 100)
        return normal(found.value, found.error)

    yield Case("ais, block Gibbs", "RBM of 10 x 6, 60 steps, 100 runs", exact, binary, cost=2)
    yield Case("ais, HMC", "Gaussian in the plane, 30 steps, 100 runs", math.log(2 * math.pi * 0.25), real, cost=2)


def shares() -> Iterator[Case]:
    """Counts of successes."""
    where, ring = "n=200", Ring()

    def near() -> Interval:
        seed = int(torch.randint(2**31, ()))
        return mean_of(mode_coverage(ring.sample(2_000, seed), ring.modes, ring.std).near.float())

    def sensitivity() -> Interval:
        return normal(*d_prime(int((torch.rand(200) < 0.6).sum()), 200))

    def clustered() -> Interval:
        own = torch.distributions.Beta(6.0, 4.0).sample((40, 1))
        trials = Trials((torch.rand(40, 20) < own).flatten(), [str(i // 20) for i in range(800)])
        return cluster_bootstrap(trials, 500)[1]

    for p in (0.6, 0.97):
        yield Case("wilson", f"share {p}, {where}", p, lambda p=p: wilson(int((torch.rand(200) < p).sum()), 200))
    yield Case("modes, high quality", "ring, n=2000", 1 - math.exp(-4.5), near)
    yield Case("d_prime", f"share 0.6, {where}", math.sqrt(2) * NormalDist().inv_cdf(0.6), sensitivity)
    yield Case("cluster bootstrap", "40 raters of Beta(6, 4), 20 answers each", 0.6, clustered)
    yield from abilities()


def abilities() -> Iterator[Case]:
    truth = torch.tensor([0.8, 0.1, -0.9])
    chance = (truth[:, None] - truth).sigmoid()

    def first() -> Interval:
        upper = torch.binomial(torch.full((3, 3), 50.0), chance).triu(1)
        ability, error = bradley_terry(upper + (50 - upper).triu(1).T)
        return normal(float(ability[0]), float(error[0]))

    yield Case("Bradley-Terry", "three models, 50 comparisons a pair", 0.8, first)


def comparisons() -> Iterator[Case]:
    """Statistics of two samples."""
    auroc = NormalDist().cdf(1 / math.sqrt(2))
    apart = lambda: normal(*exceedance(torch.randn(100) + 1, torch.randn(100)))  # noqa: E731
    yield Case("auroc", "N(1, 1) against N(0, 1), n=100", auroc, apart)
    yield Case(
        "memorization, ratio", "uniform on (1, 2) and (2, 3), n=300", 5 / 3,
        lambda: normal(*ratio(2 + torch.rand(300), 1 + torch.rand(300))),
    )  # fmt: skip
    moments = [(1.0, 0.0, 1.0, 0.0), (1.0, 0.5, 1.25, 0.125 + 1.5)]  # of N(0, 1) and N(1/2, 1), to the third
    kid = sum(math.comb(3, j) * (moments[0][j] - moments[1][j]) ** 2 for j in range(4))
    shifted = lambda: normal(*kernel_distance(torch.randn(300, 1) + 0.5, torch.randn(300, 1)))  # noqa: E731
    same = lambda d: normal(*kernel_distance(torch.randn(300, d), torch.randn(300, d)))  # noqa: E731
    yield Case("kid", "N(1/2, 1) against N(0, 1), n=300", kid, shifted)
    for d in (2, 64):
        yield Case("kid", f"both N(0, I) in {d} dimensions, n=300", 0.0, lambda d=d: same(d))

    def support() -> Interval:
        found = support_size(torch.randint(400, (800, 1)).float(), 0.5)
        return normal(found.size, found.error or 0.0)

    p = torch.arange(1.0, 201.0) / torch.arange(1.0, 201.0).sum()

    def uneven() -> Interval:
        found = support_size(torch.multinomial(p, 800, replacement=True)[:, None].float(), 0.5)
        return normal(found.size, found.error or 0.0)

    yield Case("support", "400 things alike, n=800", 400.0, support)
    yield Case("support", "200 things, some commoner, n=800", 1 / float(p.square().sum()), uneven)
    yield probed()


def neighbourhoods() -> Iterator[Case]:
    """Precision, recall, density and coverage: what is sought is their expectation at as many examples."""
    n = 300

    def scores(d: int, shift: float, resamples: int = 0) -> dict[str, Estimate]:
        return prdc(torch.randn(n, d), torch.randn(n, d) + shift, resamples=resamples)

    def interval(name: str, d: int, shift: float) -> Interval:
        found = scores(d, shift, resamples=20)[name]
        return normal(found.value, found.error or 0.0)

    for d in (2, 32):
        for name, truth in (("density", 1.0), ("coverage", expected_coverage(n, n))):
            where = f"both N(0, I) in {d} dimensions, n={n}"
            yield Case(name, where, truth, lambda name=name, d=d: interval(name, d, 0.0), cost=2)
    many = [scores(32, 0.2) for _ in range(MANY // n)]
    for name in many[0]:
        truth = statistics.fmean(found[name].value for found in many)
        where = f"means 0.2 apart in each of 32 dimensions, n={n}"
        yield Case(name, where, truth, lambda name=name: interval(name, 32, 0.2), cost=2)


def probed() -> Case:
    """The accuracy of a classifier that was fitted once."""

    def blobs(n: int) -> Batch:
        y = torch.randint(3, (n,))
        return Batch(1.5 * torch.eye(3)[y] + torch.randn(n, 3), y)

    train, many = blobs(200), blobs(MANY)
    linear = logistic(*train, 3, 0.01)
    right = lambda batch: (linear.classify(batch.x) == batch.y).double()  # noqa: E731
    return Case("probe", "three Gaussians, n=300", float(right(many).mean()), lambda: mean_of(right(blobs(300))))


def cover(case: Case, draws: int) -> dict[str, object]:
    """How often the interval covers the truth."""
    start, n = time.perf_counter(), max(200, draws // case.cost)
    hits = 0
    for _ in range(n):
        low, high = case.draw()
        hits += low <= case.truth <= high
    low, high = wilson(hits, n)
    return {
        "estimator": case.estimator, "where": case.where, "truth": case.truth, "draws": n,
        "covered_percent": 100 * hits / n, "interval_percent": [round(100 * low, 1), round(100 * high, 1)],
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=1_000, help="of each estimator; slow ones are drawn less often")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="keep the result in a JSON file")
    arguments = parser.parse_args()
    rows = []
    with seeded(0):
        for group in (likelihoods, normalizers, shares, comparisons, neighbourhoods):
            for case in group():
                rows.append(cover(case, arguments.draws))
                if not arguments.json:
                    row = rows[-1]
                    print(f"{row['estimator']:22}{row['where']:56}{row['draws']:5}{row['covered_percent']:7.1f} %")
    if arguments.out:
        commands = ["python benchmarks/coverage.py"]
        write_json(arguments.out, {"name": "coverage", "commands": commands, "machine": machine(), "rows": rows})
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
