"""What a model shows when it is examined, as plain numbers: its samples, codes and likelihoods beside data.

An examination draws from a seed of its own and leaves modes and random states as they were.

References:
    On GANs and GMMs, Richardson & Weiss, 2018 (arXiv 1805.12462), whose groups of the data these are.
    Do GANs Learn the Distribution? Some Theory and Empirics, Arora, Risteski & Zhang, 2018, for the twins.
    Importance Weighted Autoencoders, Burda, Grosse & Salakhutdinov, 2016 (arXiv 1509.00519), for active units.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import kmeans, nearest, sharpness
from counterfeit.common.seeding import mix, seeded
from counterfeit.core import Batch, Bounds, Decodes, Density, Encodes, Model, Samples
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.inference.draws import evaluating

__all__ = [
    "SAMPLES", "SEED", "Reference", "advantage", "effective", "look_at_codes", "look_at_likelihood", "look_at_model",
    "look_at_samples", "reference",
]  # fmt: skip

SAMPLES = 256  # drawn from the model, and of held-out data
VALUES = 2**23  # of training data at most that samples are compared to: 32 MB
GROUPS = 20  # that the data are cut into
EXPECTED = 8  # samples in a class or mode, below which its absence says little
LIMIT = 1e-3  # from 0 or 1 that a pixel is said to lie at it
ACTIVE = 0.01  # of the prior's variance that the mean of an active code has over the data
SEED = 0xD0C


class Reference(NamedTuple):
    """What samples are compared to, drawn once from a source; all on the model's device.

    Arguments:
        batch: training examples, (M, *shape), with their labels.
        train: the same, (M, D).
        held_out: examples that were not trained on, (H, *shape).
        distances: from held-out examples to their nearest training example, (H,).
        twin: median distance between as many training examples as there are samples and their nearest other one.
        centers: of the groups of the data, (G, D).
        shares: of the training examples in each group, (G,).
        kinds: what is known to be in the data: "modes", "classes" or "".
        modes: centers of the modes where they are known, (K, D).
    """

    batch: Batch
    train: Tensor
    held_out: Tensor
    distances: Tensor
    twin: float
    centers: Tensor
    shares: Tensor
    kinds: str
    modes: Tensor | None


def reference(source: Source, device: torch.device, seed: int) -> Reference:
    """Draw what samples are compared to."""
    examples, dims = source.split("train"), source.spec.dims
    most = 1_000 if examples.streamed else min(10_000, max(SAMPLES, VALUES // dims))
    held = "valid" if len(source.split("valid")) else "train"
    batch = evenly_spaced(source, "train", most, mix(seed, SEED), device)
    held_out = evenly_spaced(source, held, SAMPLES, mix(seed, SEED), device).x
    with seeded(mix(seed, SEED)):
        again = torch.randint(len(batch.x), (SAMPLES,)) if len(batch.x) <= SAMPLES else torch.arange(SAMPLES)
    train = batch.x.flatten(1).float()
    centers = kmeans(train, max(1, min(GROUPS, len(train) // 2)), seed=seed)
    modes = None if source.modes is None else source.modes.to(device)
    labels = batch.y is not None and batch.y.ndim == 1 and source.spec.classes > 1
    kinds = "modes" if modes is not None else "classes" if labels else ""
    return Reference(
        batch, train, held_out, _distances(held_out, train), _twin(train[again.to(device)]), centers,
        _shares(train, centers), kinds, modes,
    )  # fmt: skip


def look_at_model(model: Model, known: Reference, seed: int) -> dict[str, float]:
    """What it can show by its capabilities: samples, codes, likelihoods."""
    looks = (look_at_samples, look_at_codes, look_at_likelihood)
    return {name: value for look in looks for name, value in look(model, known, seed).items() if math.isfinite(value)}


def look_at_samples(model: Model, known: Reference, seed: int) -> dict[str, float]:
    """Statistics of samples beside those of data; nothing where the model does not sample.

    Returns:
        `finite`: share of samples that are; the others only where all are.
        `spread`: total variance, as a multiple of the data's.
        `groups`, `groups-data`: effective number of groups of the data that samples, and data, fall into.
        `missing`, `modes` or `classes`: those without a sample, of those that should have some.
        `twins`: median distance from a sample to the nearest other one, as a multiple of the same in the data.
        `near`, `near-data`: median distance from samples, and held-out data, to their nearest training example.
        `copies`, `copies-data`: share of them that lie at less than half of `near-data`.
        `limits`, `limits-data`: share of pixels at 0 or 1.
        `reach`: root-mean-square distance from the data's mean, as a multiple of the data's, which is `scale`.
        `sharp`: mean size of the gradient of pictures, as a multiple of the data's.
    """
    if not isinstance(model, Samples) or model.spec.kind == "tokens":  # between which there are no distances
        return {}
    with evaluating(model, mix(seed, SEED)):
        x = model.sample(SAMPLES).flatten(1).float()
    finite = float(x.isfinite().all(1).float().mean())
    if finite < 1:
        return {"finite": finite}
    near = nearest(x, known.train)
    found = {"finite": finite, **_diversity(x, known), **_missing(x, near.indices[:, 0], known)}
    found |= _copies(near.distances[:, 0], known) | _range(x, model, known)
    return found


def look_at_codes(model: Model, known: Reference, seed: int) -> dict[str, float]:
    """What codes keep of examples.

    Returns:
        `codes`: how many there are.
        `active`: the share of them that tells one example from another.
        `kept`: share of what held-out data vary by that decoded codes explain, 0 for one mean picture; not of texts.
    """
    if not (isinstance(model, Bounds) and isinstance(model, Encodes) and isinstance(model, Decodes)):
        return {}
    with evaluating(model, mix(seed, SEED)):
        codes = model.encode(known.held_out).flatten(1).float()
        prior = model.prior(SAMPLES).flatten(1).float()
        lost = (model.decode(model.encode(known.held_out)) - known.held_out).flatten(1).float()
    active = codes.var(0, correction=0) > ACTIVE * prior.var(0, correction=0)
    varied = known.held_out.flatten(1).float() - known.train.mean(0)
    found = {"codes": float(codes.shape[1]), "active": float(active.float().mean())}
    if model.spec.kind == "tokens":
        return found
    return {**found, "kept": 1 - float(lost.square().sum() / varied.square().sum())}


def look_at_likelihood(model: Model, known: Reference, seed: int) -> dict[str, float]:
    """`nats`, `nats-held-out`: mean log-likelihoods, exact or bounded, of training and held-out data; `advantage`."""
    score = model.log_prob if isinstance(model, Density) else model.elbo if isinstance(model, Bounds) else None
    if score is None:
        return {}
    some = known.batch.x[torch.linspace(0, len(known.batch.x) - 1, SAMPLES).long().unique().to(known.train.device)]
    with evaluating(model, mix(seed, SEED)):
        ours, theirs = score(some).float(), score(known.held_out).float()
    return {"nats": float(ours.mean()), "nats-held-out": float(theirs.mean()), "advantage": advantage(ours, theirs)}


def advantage(ours: Tensor, theirs: Tensor) -> float:
    """How far the mean of `ours`, (N,), lies above that of `theirs`, (M,), in standard deviations of a single value.

    NaN where one of them is a single value.

    Example:
        >>> round(advantage(torch.tensor([4.0, 6.0]), torch.tensor([0.0, 2.0])), 4)
        2.8284
    """
    if min(len(ours), len(theirs)) < 2:  # no deviation is known
        return math.nan
    return float((ours.mean() - theirs.mean()) / (0.5 * (ours.var() + theirs.var())).sqrt())


def effective(shares: Tensor) -> float:
    """Effective number of groups: the exponential of the entropy of their shares, (G,).

    Example:
        >>> round(effective(torch.tensor([0.5, 0.5, 0.0])), 4)
        2.0
    """
    return math.exp(-float(torch.xlogy(shares, shares).sum()))


def _distances(x: Tensor, train: Tensor) -> Tensor:
    return nearest(x.flatten(1).float(), train).distances[:, 0]


def _twin(x: Tensor) -> float:
    return float(nearest(x, x, 2).distances[:, 1].median())


def _shares(x: Tensor, centers: Tensor) -> Tensor:
    return torch.bincount(nearest(x, centers).indices[:, 0], minlength=len(centers)) / len(x)


def _diversity(x: Tensor, known: Reference) -> dict[str, float]:
    variance = float(x.var(0, correction=0).sum() / known.train.var(0, correction=0).sum())  # one example has one too
    groups = {"groups": effective(_shares(x, known.centers)), "groups-data": effective(known.shares)}
    return {"spread": variance, **groups, "twins": _twin(x) / known.twin if known.twin else math.nan}


def _missing(x: Tensor, closest: Tensor, known: Reference) -> dict[str, float]:
    if known.modes is not None:
        ours, theirs = _shares(x, known.modes), _shares(known.train, known.modes)
    elif known.kinds and known.batch.y is not None:
        count = int(known.batch.y.max()) + 1
        ours, theirs = (torch.bincount(y, minlength=count) / len(y) for y in (known.batch.y[closest], known.batch.y))
    else:
        return {}
    frequent = theirs * len(x) >= EXPECTED
    total = int(frequent.sum())
    return {"missing": float((ours[frequent] == 0).sum()), known.kinds: float(total)} if total > 1 else {}


def _copies(distances: Tensor, known: Reference) -> dict[str, float]:
    median = float(known.distances.median())
    share = lambda d: float((d < 0.5 * median).float().mean())  # noqa: E731
    return {
        "near": float(distances.median()), "near-data": median,
        "copies": share(distances), "copies-data": share(known.distances),
    }  # fmt: skip


def _range(x: Tensor, model: Model, known: Reference) -> dict[str, float]:
    mean = known.train.mean(0)
    reach = lambda y: (y - mean).square().sum(1).mean().sqrt()  # noqa: E731
    found = {"reach": float(reach(x) / reach(known.train)), "scale": float(reach(known.train))}
    if model.spec.bounded and len(model.spec.shape) == 3:
        edges = lambda y: sharpness(y.unflatten(1, model.spec.shape)).mean()  # noqa: E731
        found["sharp"] = float(edges(x) / edges(known.train))
    if model.spec.kind == "image":
        limits = lambda y: float(((y < LIMIT) | (y > 1 - LIMIT)).float().mean())  # noqa: E731
        found |= {"limits": limits(x), "limits-data": limits(known.train)}
    return found
