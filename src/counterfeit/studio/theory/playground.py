"""Small games and models on densities that are known, trained a few steps at a time by the engine, and looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from counterfeit import catalogue
from counterfeit.common.seeding import seeded
from counterfeit.config.nested import nest
from counterfeit.core import (
    Batch,
    Clock,
    Density,
    Draw,
    Energy,
    MarkovChain,
    Model,
    Samples,
    Spec,
    Stepwise,
    Update,
    require,
)
from counterfeit.data.sources.toy import Mixture, Toy
from counterfeit.engine.distributed import Processes
from counterfeit.engine.step import Stepper
from counterfeit.inference.draws import evaluating
from counterfeit.models.adversarial.shared.sampling_gan import SamplingGAN
from counterfeit.theory.game import cost, distance, optimal_logits, value
from counterfeit.theory.information import jsd
from counterfeit.theory.quadrature import pushed

__all__ = ["MODELS", "Painted", "Player", "Playground", "painted"]

Player = Literal["both", "discriminator", "generator"]
EDGE = 4.5  # of the part of the line and of the plane that is shown, to each side
CELLS, ACROSS = 180, 36  # of the line, and along each side of the plane
CODES, POINTS, ARROWS = 2_048, 600, 60  # by which the generator's density is made; shown; with their gradients
DRAWN = 6_000  # samples in the plane whose histogram stands for a density
FOREVER = 10**6  # steps of a game that ends when a person ends it
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # the recipe of each, and what is smaller here
    "gan": ("gan-grid", {}),
    "vae": ("vae", {"model.hidden": [64, 64], "model.latent_dim": 2}),
    "flow": ("spline-flow", {}),
    "energy": ("score-matching", {"model.hidden": [64, 64], "model.sampling_steps": 40}),
    "diffusion": ("diffusion-moons", {"model.sampling_steps": 12}),
}
GAN = {
    "model.hidden": [32, 32], "model.discriminator_hidden": [32, 32], "model.norm": "none", "model.activation": "tanh",
    "train.lr": 2e-3, "train.batch_size": 256, "train.schedule": "constant", "train.parts": {}, "train.ema": 0.0,
}  # fmt: skip


class Painted(Toy):
    """Draws from a density that a person painted: a mixture of Gaussians.

    Arguments:
        mixture: it, on the line or in the plane.
    """

    name = "painted"
    summary = "a density painted by hand"

    def __init__(self, mixture: Mixture) -> None:
        self.native = Spec((mixture.centers.shape[1],), "real")  # type: ignore[misc]
        self.painted = mixture
        super().__init__()

    def mixture(self) -> Mixture:
        """As it was painted."""
        return self.painted


def painted(what: Mapping[str, Any], dims: int) -> Toy:
    """The data of a playground: {name} of a toy density; {heights} over the line; or {points} in the plane.

    Raises:
        ValueError: nothing of that kind came.
    """
    if isinstance(what.get("name"), str):
        cls = catalogue.sources().get(what["name"])
        if cls is None or not issubclass(cls, Toy) or cls.native.dims != dims:
            raise ValueError(f"{what['name'][:40]!r} came; a toy density of {dims} dimensions is expected.")
        return cls()
    rows = np.asarray(what.get("heights") if dims == 1 else what.get("points"), dtype=object)
    try:
        values = rows.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("numbers are expected. Paint the density again.") from None
    if dims == 1:
        if values.ndim != 1 or not 8 <= len(values) <= 400 or not np.isfinite(values).all() or values.max() <= 0:
            raise ValueError("heights: 8 to 400 numbers are expected, one of them above 0. Paint the density again.")
        width = 2 * EDGE / len(values)
        centers = -EDGE + width * (np.arange(len(values)) + 0.5)
        weights = np.clip(values, 0, None)
        kept = weights > 0
        return Painted(Mixture(centers[kept, None], weights[kept] / weights.sum(), np.eye(1) * 0.7 * width))
    if values.ndim != 2 or values.shape[1] != 2 or not 1 <= len(values) <= 2_000 or not (abs(values) <= EDGE).all():
        raise ValueError(f"points: 1 to 2,000 pairs within ±{EDGE} are expected. Paint the density again.")
    return Painted(Mixture(values, np.full(len(values), 1 / len(values)), 0.15 * np.eye(2)))


class Playground:
    """One model on one density, in the hands of a person.

    Arguments:
        data: the density.
        kind: a key of `MODELS`.
        settings: over those of its recipe, dotted.
        seed: of initial weights, data and noise.
    """

    def __init__(self, data: Toy, kind: str, settings: Mapping[str, Any], seed: int = 0) -> None:
        if kind not in MODELS:
            raise ValueError(f"{kind[:40]!r} came; one of {', '.join(MODELS)} is expected.")
        recipe, usual = MODELS[kind]
        chosen = catalogue.recipe(recipe)
        own = GAN if kind == "gan" else usual
        if data.spec.dims == 1 and kind == "gan":
            own = {**own, "model.noise": "uniform", "model.noise_dim": 1, "model.instance_noise": 0.0}
        elif kind == "gan":
            own = {**own, "model.instance_noise": 0.0}
        fixed = {"train.steps": FOREVER, "train.seed": seed, "train.threads": 1, "train.device": "cpu"}
        config = catalogue.configure(chosen, nest(own), nest(settings), nest({**fixed, "data.name": "grid"}))
        self.data, self.kind, self.seed, self.steps = data, kind, seed, 0
        self.train = config.train
        with seeded(seed):
            model = catalogue.build(config, data, torch.device("cpu"))
        self.model: Model = model
        self.stepper = Stepper(self.model, self.train, Processes())
        self.examples = data.split("train").first(20_000).x
        self._updates = self.model.updates
        self.player: Player = "both"
        self.model.updates = self._played  # type: ignore[method-assign]

    def _played(self, draw: Draw, clock: Clock) -> Iterator[Update]:
        """The model's updates, of which those of a player who waits are passed over."""
        for update in self._updates(draw, clock):
            if self.player == "both" or self.player in update.parts:
                yield update

    def advance(self, steps: int, player: Player = "both") -> dict[str, float]:
        """Train so many steps; what was logged last."""
        self.player = player
        logs: dict[str, Tensor] = {}
        with torch.random.fork_rng(devices=[]):
            for _ in range(steps):
                logs = self.stepper.step([self._draw], Clock(self.steps, FOREVER))
                self.steps += 1
        return {name: float(found) for name, found in logs.items()}

    def _draw(self) -> Batch:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.steps)
        rows = torch.randint(len(self.examples), (self.train.batch_size,), generator=generator)
        return Batch(self.examples[rows])

    def look(self) -> dict[str, Any]:
        """What there is to see: samples, densities beside each other, and where two players are, the game."""
        with torch.random.fork_rng(devices=[]):
            return self._line() if self.data.spec.dims == 1 else self._plane()

    def _line(self) -> dict[str, Any]:
        edges = torch.linspace(-EDGE, EDGE, CELLS + 1, dtype=torch.float64)
        middle, width = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
        p = self.data.log_prob(middle[:, None].float()).double().exp() * width
        x = self._samples(POINTS)
        if isinstance(self.model, SamplingGAN) and self.model.code_dim == 1:
            z = torch.linspace(-(3**0.5), 3**0.5, CODES + 1)[:, None]
            with evaluating(self.model, 0):
                values = self.model.decode(z)[:, 0]
            q = pushed(values, torch.full((CODES,), 1 / CODES), edges)
        else:
            q = torch.histc(self._samples(DRAWN)[:, 0].double(), CELLS, -EDGE, EDGE) / DRAWN
        answer = {
            "step": self.steps, "x": middle.tolist(), "p": (p / width).tolist(), "q": (q / width).tolist(),
            "samples": x[:, 0].tolist(), **self._divergence(p, q),
        }  # fmt: skip
        if isinstance(self.model, SamplingGAN):
            answer |= self._game(middle[:, None].float(), p, q, x[:ARROWS])
        return answer

    def _plane(self) -> dict[str, Any]:
        ends = torch.linspace(-EDGE, EDGE, ACROSS + 1)
        middle = (ends[1:] + ends[:-1]) / 2
        places = torch.cartesian_prod(middle, middle)  # x first
        area = float(ends[1] - ends[0]) ** 2
        p = self.data.log_prob(places).double().exp() * area
        x = self._samples(DRAWN // 8 if isinstance(self.model, (MarkovChain, Stepwise)) else DRAWN)
        q = torch.histogramdd(x[:, :2].float(), bins=[ends, ends]).hist.flatten().double() / len(x)
        answer = {
            "step": self.steps, "side": ACROSS, "edge": EDGE, "p": _shades(p), "q": _shades(q),
            "samples": x[:POINTS].tolist(), **self._divergence(p, q),
        }  # fmt: skip
        if isinstance(self.model, SamplingGAN):
            answer |= self._game(places, p, _smooth(q), x[:ARROWS])
        elif isinstance(self.model, Density):
            with evaluating(self.model, 0):
                answer["model"] = _shades(self.model.log_prob(places).double().exp())
        elif isinstance(self.model, Energy):
            with evaluating(self.model, 0):
                answer["model"] = _shades((-self.model.energy(places).double()).softmax(0))
        return answer

    def _samples(self, n: int) -> Tensor:
        with evaluating(self.stepper.average.model(), 0):
            return require(self.stepper.average.model(), Samples).sample(n).detach()

    def _divergence(self, p: Tensor, q: Tensor) -> dict[str, float]:
        """JSD of cells, with a cell for all that lies outside, and C(G) = -log 4 + 2 JSD (2014, theorem 1)."""
        one, other = (torch.cat([some, (1 - some.sum()).clamp(min=0)[None]]) for some in (p, q))
        found = float(jsd(one / one.sum(), other / other.sum()))
        return {"jsd": found, "cost": -math.log(4) + 2 * found}

    def _game(self, places: Tensor, p: Tensor, q: Tensor, x: Tensor) -> dict[str, Any]:
        """D and D* at places, the value of the game, and the steepest descent of samples."""
        game = self.model
        if not isinstance(game, SamplingGAN):
            raise ValueError(f"{type(game).__name__} came; two players are expected.")
        with evaluating(game, 0):
            logits = game.discriminator(places)[:, 0].double()
        log_p, log_q = p.clamp(min=1e-300).log(), q.clamp(min=1e-300).log()
        best = optimal_logits(log_p, log_q)
        seen = (p + q) > 1e-6  # elsewhere nobody says what D should be
        x = x.clone().requires_grad_()
        with torch.enable_grad():
            told = game.discriminator(x)[:, :1]
            (slope,) = torch.autograd.grad(game.objective.generator(told) * len(x), x)
        at = [some[seen] for some in (logits, log_p, log_q)]
        return {
            "d": logits.sigmoid().tolist(),
            "best": [float(b) if s else None for b, s in zip(best.sigmoid(), seen, strict=True)],
            "value": float(value(*at)), "off": float(distance(*at)), "best_value": float(cost(*at[1:])),
            "pulls": (-slope).tolist(), "pulled": x.detach().tolist(),
        }  # fmt: skip


def _shades(p: Tensor) -> list[float]:
    """Masses over the plane as shares of the highest, rounded: a picture."""
    return [round(float(share), 3) for share in (p / p.max().clamp(min=1e-30)).sqrt()]


def _smooth(q: Tensor) -> Tensor:
    """Counts over the plane, each spread over its neighbours: of few samples a density that is nowhere torn."""
    side = math.isqrt(len(q))
    x = pad(q.view(1, 1, side, side), (1, 1, 1, 1), mode="replicate")
    kernel = torch.tensor([1.0, 2.0, 1.0], dtype=q.dtype)
    kernel = (kernel[:, None] * kernel / 16)[None, None]
    found: Tensor = torch.conv2d(x, kernel)
    return (found / found.sum().clamp(min=1e-300)).flatten() * q.sum()
