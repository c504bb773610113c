"""Autoregressive models of small digits whose pixels are drawn as bits: fitted, and scored on others."""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor

from counterfeit.common.seeding import mix
from counterfeit.config.settings import Train
from counterfeit.core import Batch, Spec
from counterfeit.models.autoregressive.fvsbn import FVSBN
from counterfeit.models.autoregressive.markov import Markov
from counterfeit.models.autoregressive.nade import NADE
from counterfeit.models.autoregressive.shared.model import Autoregressive
from counterfeit.models.autoregressive.shared.orders import OrderName
from counterfeit.report.theory import small_digits
from counterfeit.report.theory.small_digits import bits, bits_of
from counterfeit.report.theory.stepped import stepped

__all__ = ["ALL", "ORDERS", "PROTOCOL", "Order", "Scores", "below", "logistic", "nade", "tables"]

SPEC = Spec((1, 8, 8), "binary")
ALL = SPEC.dims - 1  # a memory of all values before the last
COUNTED, TESTED = 20, 10  # draws of each picture for the tables, and for the test
SMOOTHING, HIDDEN = 0.1, 64
CONVEX = Train(lr=0.1, steps=400, batch_size=128, schedule="cosine", ema=0.98, device="cpu")
NET = Train(lr=0.03, steps=250, batch_size=64, schedule="cosine", ema=0.98, device="cpu")
PROTOCOL = (
    f"8x8 digits, bits drawn from their gray levels: tables counted over {COUNTED} draws of each of 1,297 pictures, "
    f"smoothing {SMOOTHING}; fvsbn {CONVEX.steps} steps of {CONVEX.batch_size} fresh draws, nade of {HIDDEN} hidden "
    f"units {NET.steps} of {NET.batch_size}; test: {TESTED} draws of each of 250 pictures, errors paired over pictures"
)


class Order(NamedTuple):
    """An order of the pixels: its name, and the seed of a random one."""

    name: OrderName
    seed: int = 0

    def __str__(self) -> str:
        return f"random {self.seed + 1}" if self.name == "random" else self.name


RASTER = Order("raster")
ORDERS = (RASTER, Order("columns"), *(Order("random", seed) for seed in range(3)))


class Scores(NamedTuple):
    """What a model was found to be worth.

    Arguments:
        parameters: how many its probabilities depend on.
        train: mean log-likelihood of the bits that tables are counted over, nats.
        test: of each test picture, the mean over its draws, (250,), nats.
    """

    parameters: int
    train: float
    test: Tensor


def below(better: Tensor, worse: Tensor) -> tuple[float, float]:
    """How many nats one model lies below another on average, and the paired standard error."""
    apart = better - worse
    return float(apart.mean()), float(apart.std() / len(apart) ** 0.5)


@cache
def tables(memory: int, order: Order = RASTER) -> Scores:
    """`markov`: AR(memory) by tables, counted."""
    model = Markov(SPEC, memory, SMOOTHING, *order)
    model.initialize(Batch(_bits("train", COUNTED)))
    return _scored(model, sum(p.numel() for p in model.parameters()))


@cache
def logistic(memory: int, order: Order = RASTER) -> Scores:
    """`fvsbn`: AR(memory) by logistic regressions."""
    model = stepped(lambda: FVSBN(SPEC, *order, memory), partial(bits, 0), CONVEX, f"fvsbn, {order}")
    weights = int(torch.ones_like(model.net.weight).tril(-1).triu(-memory).sum())
    return _scored(model, weights + model.net.bias.numel())


@cache
def nade(order: Order, seed: int) -> Scores:
    """`nade`, which sees all before."""
    train = Train(**{**vars(NET), "seed": seed})
    model = stepped(lambda: NADE(SPEC, HIDDEN, "sigmoid", *order), partial(bits, seed), train, f"nade, {order}")
    return _scored(model, sum(p.numel() for p in model.parameters()))


@torch.no_grad()
def _scored(model: Autoregressive, parameters: int) -> Scores:
    test = model.log_prob(_bits("test", TESTED)).view(TESTED, -1).double().mean(0)
    return Scores(parameters, float(model.log_prob(_bits("train", COUNTED)).double().mean()), test)


@cache
def _bits(split: str, times: int) -> Tensor:
    return bits_of(small_digits.split(split).x.repeat(times, 1, 1, 1), torch.Generator().manual_seed(mix(times)))
