"""The Parzen window log-likelihood of 2014: a Gaussian kernel on each of the model's samples.

It can be gamed: k-means centroids score above real data, so both are reported beside every score.

References:
    Generative Adversarial Nets, Goodfellow et al., 2014 (arXiv 1406.2661), section 5.
    Better Mixing via Deep Representations, Bengio et al., 2013 (arXiv 1207.4404).
    A Note on the Evaluation of Generative Models, Theis, van den Oord & Bethge, 2016 (arXiv 1511.01844).
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.estimate import Estimate
from counterfeit.common.numerics import alike, centre, kmeans, mean_and_error, squared_distances
from counterfeit.config.settings import Evaluation
from counterfeit.core import Generator, Samples
from counterfeit.data.downloads import memo
from counterfeit.data.selection import describe, evenly_spaced, load
from counterfeit.data.source import Source
from counterfeit.inference.draws import draw_samples
from counterfeit.metrics.base import Metric, Result

__all__ = ["PARZEN", "SIGMAS", "log_likelihood", "references", "select_sigma"]

SIGMAS = tuple(torch.logspace(-1, 0, 10, dtype=torch.float64).tolist())
VALID = 1_000  # images of the validation split that choose sigma
NOTE = "k-means centroids, which are blurred data, beat real data: never tune for this score alone"
NATS = 0.05  # that rounding may move a log-likelihood by
FITTED = 50_000  # training examples at most that k-means sees
REFERENCES = 2  # version of the reference rows, to raise when they change: they are kept in the cache


def log_likelihood(x: Tensor, samples: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Log-likelihood of each row of `x` under a Gaussian kernel on each sample, for each bandwidth.

    Arguments:
        x: examples, (N, D).
        samples: centres of the kernels, (M, D).
        sigmas: standard deviations of the kernel, S of them, above 0.

    Returns:
        Nats, (S, N).

    Example:
        >>> log_likelihood(torch.zeros(1, 2), torch.zeros(5, 2), [1.0])  # -log 2π
        tensor([[-1.8379]])
    """
    if not sigmas or not min(sigmas) > 0:
        raise ValueError(f"sigmas={list(sigmas)} came; bandwidths above 0 are expected. The usual ones are `SIGMAS`.")
    x, samples = alike(x, samples)
    wide = torch.float64 if _rough(x, samples, min(sigmas)) else x.dtype
    tiles = squared_distances(x.to(wide), samples.to(wide))  # for all bandwidths: the product is the expensive part
    kernels = torch.cat([torch.stack([_log_mean_kernel(tile, sigma) for sigma in sigmas]) for tile in tiles], 1)
    log_z = [[x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))] for sigma in sigmas]
    return (kernels - torch.tensor(log_z, dtype=wide, device=x.device)).to(x.dtype)


def _rough(x: Tensor, samples: Tensor, sigma: float) -> bool:
    """Whether float32 products could move a log-likelihood by more than `NATS`, as on values far above a bandwidth."""
    if x.dtype == torch.float64 or x.device.type == "mps" or x.shape[1:] != samples.shape[1:]:  # mps has no float64
        return False
    reach = (x - centre(samples)).square().sum(1).max()  # samples farther off than twice that are near to nothing
    return bool(8 * torch.finfo(torch.float32).eps * reach > NATS * 2 * sigma**2)


def select_sigma(x: Tensor, samples: Tensor, sigmas: Sequence[float] = SIGMAS) -> float:
    """The bandwidth under which `x`, (N, D), is likeliest given `samples`, (M, D)."""
    return sigmas[int(log_likelihood(x, samples, sigmas).mean(1).argmax())]


def _log_mean_kernel(distances: Tensor, sigma: float) -> Tensor:
    """Log mean exp(-d²/2σ²) over the samples, (R, M) -> (R,)."""
    near = distances.amin(1, keepdim=True)
    scale = 1 / (2 * sigma**2)
    rest = (near - distances).mul_(scale / math.log(2)).exp2_()  # exp2: 8x faster than exp on a CPU
    return rest.mean(1).log() - near.squeeze(1) * scale


def _score(samples: Tensor, valid: Tensor, x: Tensor) -> Estimate:
    """The likelihood by `n` samples, at the bandwidth that `valid` prefers."""
    sigma = select_sigma(valid, samples)
    value, error = mean_and_error(log_likelihood(x, samples, [sigma])[0])
    return Estimate(value, error, len(samples), more={"sigma": sigma})


def references(source: Source, valid: Tensor, x: Tensor, n: int) -> dict[str, Estimate]:
    """Scores of `n` training examples, evenly spaced, and of half as many k-means centroids, in the place of samples.

    One Lloyd step does: more move the score by 2 nats at most.
    """
    train, real = (evenly_spaced(source, "train", size, device=x.device).x.flatten(1) for size in (FITTED, n))
    centroids = kmeans(train, (min(len(real), len(train)) + 1) // 2, steps=1)
    return {"real": _score(real, valid, x), "k-means": _score(centroids, valid, x)}


def compute(model: Generator, source: Source, evaluation: Evaluation) -> Result:
    """Parzen window log-likelihood of `evaluation.split`; the reference rows come with the test split only."""
    samples = draw_samples(model, evaluation.samples, evaluation.seed, evaluation.batch_size).flatten(1).float()
    if not evaluation.folds:
        return _of_split(samples, source, evaluation)
    return _over([_of_split(samples, source.alike(fold), evaluation) for fold in source.raw.folds], evaluation)


def _over(results: Sequence[Result], evaluation: Evaluation) -> Result:
    """The mean over folds, with its standard error, as the paper has it of TFD."""
    values, sigmas = [one.value for one in results], [one.details["sigma"] for one in results]
    rows = {
        name: Estimate(*_mean([one.references[name].value for one in results]), n=results[0].references[name].n)
        for name in results[0].references
    }
    return Result(
        *_mean(values), sum(one.n for one in results), f"mean over {len(results)} folds, of which the first: "
        f"{results[0].protocol}", {"by fold": values, "sigmas": sigmas, "seed": evaluation.seed}, references=rows,
        warnings=tuple(dict.fromkeys(warning for one in results for warning in one.warnings)), note=results[0].note,
    )  # fmt: skip


def _mean(values: Sequence[float]) -> tuple[float, float | None]:
    spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return statistics.fmean(values), spread


def _of_split(samples: Tensor, source: Source, evaluation: Evaluation) -> Result:
    valid = load(source, "valid", VALID, device=samples.device).x.flatten(1)
    x = evenly_spaced(source, evaluation.split, evaluation.max_examples, device=samples.device).x.flatten(1)
    protocol = (
        f"Parzen window, Gaussian kernel; {len(samples)} samples; sigma from logspace(-1, 0, 10) on the first "
        f"{len(valid)} of valid; {describe(source, evaluation.split, len(x), evaluation.max_examples)}"
    )
    score = _score(samples, valid, x)
    sigma, rows = score.more["sigma"], {}
    edge = f"sigma={sigma:g} lies at the edge of the grid; a better one may lie outside"
    if evaluation.split == "test":
        rows = _kept(protocol, lambda: references(source, valid, x, len(samples)))
        few = rows["real"].n or 0
        rows |= {"samples, as many": _score(samples[:few], valid, x)} if few < len(samples) else {}
    return Result(
        score.value, score.error, len(x), protocol, {"sigma": sigma, "seed": evaluation.seed}, references=rows,
        warnings=(edge,) if sigma in (SIGMAS[0], SIGMAS[-1]) else (), note=NOTE if rows else "",
    )  # fmt: skip


def _kept(protocol: str, compute: Callable[[], dict[str, Estimate]]) -> dict[str, Estimate]:
    digest = hashlib.sha256(f"references {REFERENCES}; {protocol}".encode()).hexdigest()[:16]
    arrays = memo(
        f"parzen-{digest}",
        lambda: {
            f"{who} {key}": np.array(value) for who, row in compute().items() for key, value in row.to_dict().items()
        },
    )
    rows: dict[str, dict[str, float]] = {}
    for name, value in arrays.items():
        who, _, key = name.rpartition(" ")
        rows.setdefault(who, {})[key] = value.item()
    return {who: Estimate.from_dict(row) for who, row in rows.items()}


PARZEN = Metric("parzen", "Parzen window log-likelihood by the protocol of 2014", "nats", "higher", Samples, compute)
