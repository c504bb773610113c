"""Autoencoders on small digits: of several sizes beside principal components, and one beside a variational one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.numerics import mean_squared_error
from counterfeit.common.seeding import mix, seeded
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Spec
from counterfeit.data.sources.digits import Digits
from counterfeit.metrics.features.prdc import prdc
from counterfeit.metrics.representation.code_distance import two_samples
from counterfeit.metrics.representation.linear_probe import probe
from counterfeit.metrics.representation.principal_components import pca
from counterfeit.models.autoencoding.autoencoder import Autoencoder
from counterfeit.models.autoencoding.vae import VAE
from counterfeit.nets.coder import CoderNets
from counterfeit.report.theory.code_games import pixel_fid
from counterfeit.report.theory.small_digits import bits, bits_of, gray, split
from counterfeit.report.theory.stepped import stepped

__all__ = ["FILLED", "LINEAR", "PROTOCOL", "SIZES", "Decoded", "Filled", "Size", "filled", "least", "linear", "size"]

SIZES, LINEAR, FILLED = (2, 4, 8, 16, 32), 8, 16
NETS, FLAT = CoderNets(hidden=(256, 128)), CoderNets(hidden=())
TRAIN = Train(lr=2e-3, schedule="cosine", steps=1_000, batch_size=64, device="cpu")
EXACT = replace(TRAIN, lr=1e-2, betas=(0.9, 0.99), batch_size=512)  # for the linear one, to the minimum
BITS = replace(TRAIN, steps=1_500, ema=0.99)
COMPARED = 1_000  # codes of data, and of a normal distribution
PROTOCOL = (
    f"autoencoders of gray levels by squared error, {TRAIN.steps:,} steps of {TRAIN.batch_size}, hidden layers of 256 "
    f"and 128, errors and logistic regressions on the test digits; autoencoder and vae of {FILLED} numbers by the same "
    f"nets and the same cross-entropy of bits drawn with the gray levels, {BITS.steps:,} steps; decoded means, as many "
    f"as there are training digits; precision by 3 neighbours in pixels"
)
Encode = Callable[[Tensor], Tensor]


class Size(NamedTuple):
    """What codes of a size keep: mean squared error a pixel, and the accuracy of a linear probe; of both kinds."""

    error: float
    accuracy: float
    pca_error: float
    pca_accuracy: float


class Decoded(NamedTuple):
    """What decoded codes look like: the means, (N, 64), their FID in pixels, and the share that lies among data."""

    x: Tensor
    fid: float
    precision: float


class Filled(NamedTuple):
    """Decoded codes by where they are from, and by model the squared discrepancy between codes of data and N(0, I)."""

    decoded: Mapping[str, Decoded]
    discrepancy: Mapping[str, float]


def size(k: int, seed: int) -> Size:
    """An autoencoder of `k` numbers beside `k` principal components."""
    model = stepped(
        lambda: Autoencoder(Digits.native, k, "squared", NETS), partial(gray, seed), replace(TRAIN, seed=seed),
        f"autoencoder of {k}",
    )  # fmt: skip
    components, x = pca(split("train").x, k), split("test").x

    def projected(x: Tensor) -> Tensor:
        return (x.flatten(1) - components.mean) @ components.directions.mT

    with torch.no_grad():
        error = mean_squared_error(x, model.decode(model.encode(x))).mean()
        return Size(
            float(error), accuracy(model.encode), float(mean_squared_error(x, components.reconstruct(x)).mean()),
            accuracy(projected),
        )  # fmt: skip


def accuracy(encode: Encode) -> float:
    """Share of test digits that a linear classifier of what `encode` makes of them, (N, D), recognizes."""
    parts = (split(name) for name in ("train", "valid", "test"))
    train, valid, test = (Batch(encode(part.x), part.y) for part in parts)
    return float(probe(train, valid, test, Digits.native.classes).correct.double().mean())


def linear(seed: int) -> float:
    """Mean squared error a pixel, on the training digits, of an autoencoder without hidden layers."""
    model = stepped(
        lambda: Autoencoder(Spec(Digits.native.shape, "real"), LINEAR, "squared", FLAT), partial(gray, seed),
        replace(EXACT, seed=seed), "a linear autoencoder",
    )  # fmt: skip
    with torch.no_grad():
        x = split("train").x
        return float(mean_squared_error(x, model.decode(model.encode(x))).double().mean())


def least(k: int) -> tuple[float, float]:
    """The same of `k` principal components, and by theory: the sum of all smaller eigenvalues of the covariance."""
    x = split("train").x.flatten(1).double()
    values = torch.linalg.eigvalsh(x.T.cov(correction=0))
    return float(mean_squared_error(x, pca(x, k).reconstruct(x)).mean()), float(values[:-k].sum() / x.shape[1])


def filled(seed: int) -> Filled:
    """An autoencoder and a variational one that differ in nothing but noise and the divergence of codes."""
    spec, train = Spec(Digits.native.shape, "binary"), replace(BITS, seed=seed)
    plain = stepped(lambda: Autoencoder(spec, FILLED, "cross-entropy", NETS), partial(bits, seed), train, "autoencoder")
    variational = stepped(lambda: VAE(spec, FILLED, "bernoulli", NETS), partial(bits, seed), train, "vae")
    known = bits_of(split("train").x, torch.Generator().manual_seed(mix(seed)))
    with torch.no_grad(), seeded(seed):
        plain.initialize(Batch(known))
        z = torch.randn(len(known), FILLED)
        decoded = {
            "autoencoder, N(0, I)": _seen(plain.decode(z)),
            "autoencoder, N(mean, covariance)": _seen(plain.decode(plain.prior(len(known)))),
            "vae, N(0, I)": _seen(variational.decode(z)),
        }
        loc, log_scale = variational.posterior(known)
        codes = {"autoencoder": plain.encode(known), "vae": loc + log_scale.exp() * torch.randn_like(loc)}
    apart = {name: two_samples(code[:COMPARED], z[:COMPARED], seed).value for name, code in codes.items()}
    return Filled(decoded, apart)


def _seen(x: Tensor) -> Decoded:
    x = x.flatten(1)
    return Decoded(x, pixel_fid(x), prdc(split("train").x.flatten(1), x)["precision"].value)
