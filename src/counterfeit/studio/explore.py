"""What a page can ask a run's model, by what the model can do; every answer is plain data for JSON."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.core import (
    Batch,
    Completes,
    Decodes,
    Discriminates,
    Encodes,
    MarkovChain,
    Samples,
    Stepwise,
    Translates,
    labels_of,
    require,
)
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.user_images import read_inputs
from counterfeit.inference.draws import evaluating
from counterfeit.inference.encoding import Reconstructs
from counterfeit.inference.latent import lerp, slerp
from counterfeit.inference.sampling import OPTIONS, Guided, HasSamplers
from counterfeit.inference.scoring import p_values, score, scores_of
from counterfeit.metrics.coverage.nearest_neighbours import nearest_examples
from counterfeit.studio.opened import StudioRun
from counterfeit.studio.requests import number, seed_of
from counterfeit.studio.shown import examples, heat

__all__ = [
    "able", "chain", "completed", "decoded", "drawn", "examples_of", "held_out_example", "interpolated", "judged",
    "neighbours", "reconstructed", "sampled", "scored", "start", "steps", "translated", "uploaded",
]  # fmt: skip

MOST, FRAMES = 100, 24  # examples of an answer, and steps of a draw that are shown
DIRECTIONS, DRAWN = 8, 512  # of codes, and draws by which they are found
HELD_OUT, NEIGHBOURS = 500, 6


def able(run: StudioRun) -> dict[str, Any]:
    """What the model can do, and what its data are."""
    model, spec = run.model, run.source.spec
    labels = labels_of(model)
    names = list(run.source.class_names[:labels]) or [str(i) for i in range(labels)]
    pictures = len(run.source.raw.spec.shape) == 3 and run.source.raw.rate is None
    return {
        "samples": isinstance(model, Samples), "labels": names if labels else [], "captions": bool(spec.captioned),
        "codes": model.prior(1).shape[1] if isinstance(model, Decodes) else 0,
        "encodes": isinstance(model, Reconstructs) and pictures,
        "completes": isinstance(model, Completes) and pictures,
        "domains": list(run.source.class_names) if isinstance(model, Translates) else [],
        "steps": isinstance(model, Stepwise), "chain": isinstance(model, MarkovChain),
        "scores": scores_of(model, labelled=False),
        "judges": isinstance(model, Discriminates) and not model.conditional,
        "samplers": list(model.samplers) if isinstance(model, HasSamplers) else [],
        "guided": isinstance(model, Guided) and bool(getattr(model, "conditional", False)),
        "pictures": pictures, "shape": list(run.source.raw.spec.shape), "training": len(run.source.split("train")),
        "test": len(run.source.split("test")), "classes": list(run.source.class_names),
    }  # fmt: skip


def options_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """How to draw: sampler, steps, guidance, those that are given."""
    found = {name: asked.get(name) for name in OPTIONS}
    return {name: value for name, value in found.items() if value not in (None, "")}


def sampled(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Samples of a seed, of a class or a caption where `y` names one."""
    return examples(drawn(run, asked), run.source)


def drawn(run: StudioRun, asked: Mapping[str, Any]) -> Tensor:
    """These samples themselves, in the natural unit, (n, *shape)."""
    n = number(asked, "n", 64, 1, MOST)
    return run.sample(n, seed_of(asked), asked.get("y") or None, mean=not asked.get("y"), **options_of(asked))


def start(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The code of a seed, and the directions in which samples change most.

    A direction is the least-squares map from a principal component of drawn samples to their codes, scaled to one
    standard deviation of it.

    References:
        GANSpace: Discovering Interpretable GAN Controls, Härkönen et al., 2020 (arXiv 2004.02546), section 2.2.
    """
    model = require(run.model, Decodes)
    with evaluating(run.model, seed_of(asked)):
        z = model.prior(1)
    return {"z": z[0].tolist(), "directions": run.remembered("directions", lambda: _directions(run)).tolist()}


def _directions(run: StudioRun) -> Tensor:
    model = require(run.model, Decodes)
    with evaluating(run.model, 0):
        z = model.prior(DRAWN)
        x = model.decode(z).flatten(1).float()
    x, z = x - x.mean(0), z.float() - z.float().mean(0)
    k = min(DIRECTIONS, z.shape[1], x.shape[1])
    u, s, _ = torch.svd_lowrank(x, q=min(2 * k + 2, *x.shape), niter=4)
    scores = (u * s)[:, :k]
    slopes = z.mT @ scores / scores.square().sum(0).clamp(min=1e-12)
    moved = slopes * scores.std(0)
    return (moved / moved.norm(dim=0).clamp(min=1e-12) * z.std(0).norm() / math.sqrt(z.shape[1])).mT


def decoded(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What codes decode to; nothing is drawn, so that it is quick."""
    model = require(run.model, Decodes)
    z = asked.get("z")
    if not isinstance(z, list) or not 1 <= len(z) <= MOST:
        raise ValueError(f"z: a list of 1 to {MOST} codes is expected.")
    try:
        codes = torch.tensor(z, dtype=torch.float32, device=run.model.device)
    except (TypeError, ValueError):
        raise ValueError("z: lists of numbers of one length are expected.") from None
    if codes.ndim != 2 or not bool(codes.isfinite().all()):
        raise ValueError("z: lists of finite numbers are expected.")
    with torch.inference_mode():
        x = model.decode(codes)
    return examples(run.source.natural(x).cpu(), run.source)


def interpolated(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What lies between the codes of two seeds, by a straight line or a great circle."""
    model, n = require(run.model, Decodes), number(asked, "n", 9, 2, 33)
    codes = []
    for name in ("from", "to"):
        with evaluating(run.model, number(asked, name, 0, 0, 2**31 - 1)):
            codes.append(model.prior(1))
    path = lerp if asked.get("path") == "linear" else slerp
    between = path(codes[0], codes[1], torch.linspace(0, 1, n, device=run.model.device))[0]
    with torch.inference_mode():
        x = model.decode(between)
    return {**examples(run.source.natural(x).cpu(), run.source), "z": between.tolist()}


def examples_of(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Examples of the test split, from a place on."""
    examples_ = run.source.split("test")
    first = number(asked, "first", 0, 0, max(0, len(examples_) - 1))
    n = min(number(asked, "n", 16, 1, MOST), len(examples_) - first)
    x = torch.cat([held_out_example(run, i) for i in range(first, first + n)])
    return {**examples(run.source.natural(x), run.source), "first": first}


def held_out_example(run: StudioRun, i: int) -> Tensor:
    """A test example as the model sees it, (1, *shape); what a transform draws for it is always the same."""
    with seeded(i):
        return run.source.split("test")[torch.tensor([i])].x


def uploaded(run: StudioRun, data: bytes) -> Tensor:
    """A person's picture as the model sees it, (1, *shape); the file itself is not kept.

    Raises:
        DataError: it is no picture, damaged, or too large.
    """
    with tempfile.TemporaryDirectory(prefix="counterfeit-") as folder:
        file = Path(folder) / "picture.png"  # by its content, whatever it is called
        file.write_bytes(data)
        try:
            return read_inputs(file, run.source).x
        except ValueError as error:
            raise ValueError(str(error).replace(str(file), "the picture")) from None


def reconstructed(run: StudioRun, x: Tensor, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A picture, what its code decodes to, where they differ, and the code."""
    z = run.encode(x, seed_of(asked))
    made, given = run.decode(z, seed_of(asked)), run.source.natural(x).cpu()
    off = heat((made - given)[0].mean(0)) if given.ndim == 4 else None
    return {**examples(torch.cat([given, made]), run.source), "z": z[0].tolist(), "difference": off}


def completed(run: StudioRun, x: Tensor, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Completions of a picture whose pixels are known where `mask` is 1, row by row."""
    shape, mask = run.source.spec.shape, asked.get("mask")
    height, width = shape[-2:]
    if not isinstance(mask, list) or len(mask) != height * width or not {*map(repr, mask)} <= {"0", "1"}:
        raise ValueError(f"mask: a list of {height * width} values 0 and 1 is expected.")
    known = torch.tensor(mask, dtype=torch.float32).view(height, width).expand(shape)
    made = run.complete(x, known, number(asked, "n", 6, 1, 16), seed_of(asked))
    return examples(made[0], run.source)


def translated(run: StudioRun, x: Tensor, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A picture in every other domain, in their order."""
    names = run.source.class_names
    made = [run.translate(x, name, seed_of(asked)) for name in names]
    return {**examples(torch.cat([run.source.natural(x).cpu(), *made]), run.source), "names": ["given", *names]}


def scored(run: StudioRun, x: Tensor, asked: Mapping[str, Any]) -> dict[str, Any]:
    """How strange a picture is to the model, beside held-out data, and which of its pixels make it so."""
    by = str(asked["by"]) if asked.get("by") else scores_of(run.model, labelled=False)[0]
    ours, theirs = run.scores(x, by=by), run.remembered(f"usual {by}", lambda: _usual_scores(run, by))
    p = float(p_values(ours.anomaly.double(), theirs)[0])
    return {
        "by": by, "score": float(ours.anomaly[0]), "usual": float(theirs.median()), "p": p,
        "nats": None if ours.nats is None else float(ours.nats[0]),
        "bits": None if ours.bits is None else float(ours.bits[0]),
        "map": _strange_pixels(run, x, by),
    }  # fmt: skip


def _usual_scores(run: StudioRun, by: str) -> Tensor:
    """Scores of held-out data, float64 (N,)."""
    with torch.no_grad():
        found = score(run.model, run.source, Batch(evenly_spaced(run.source, "test", HELD_OUT).x), by)
    return found.anomaly.double()


def _strange_pixels(run: StudioRun, x: Tensor, by: str) -> str | None:
    """How far each pixel is from its reconstruction, or the slope of what the model says of the picture in it."""
    if len(run.source.raw.spec.shape) != 3:
        return None
    if by == "reconstruction" and isinstance(run.model, Encodes):
        return heat((run.reconstruct(x) - run.source.natural(x).cpu())[0].abs().mean(0))
    x = x.clone().to(run.model.device).requires_grad_()
    ask = {"log-density": "log_prob", "energy": "energy", "elbo": "elbo", "discriminator": "discriminator_outputs"}[by]
    try:
        with evaluating(run.model, 0), torch.enable_grad():
            (slope,) = torch.autograd.grad(getattr(run.model, ask)(x).sum(), x)
    except RuntimeError:  # of values that are looked up, or drawn, there is no slope
        return None
    return heat(slope[0].detach().cpu().float().mean(0)) if slope.ndim == 4 else None


def neighbours(run: StudioRun, x: Tensor) -> dict[str, Any]:
    """The training examples nearest to a sample in pixels, and whether it is nearer than new data are.

    Arguments:
        run: whose data.
        x: in the natural unit, (1, *shape).
    """
    train = run.source.raw.split("train")
    near = nearest_examples(x, train, min(NEIGHBOURS, len(train)))
    usual = run.remembered("usual distances", lambda: _usual_distances(run))
    return {
        **examples(torch.cat([x.float(), train[near.indices[0]].x]), run.source),
        "distances": near.distances[0].tolist(), "usual": float(usual.median()),
        "nearer": float((usual < near.distances[0, 0]).float().mean()),
    }  # fmt: skip


def _usual_distances(run: StudioRun) -> Tensor:
    """How far held-out data lie from the nearest training example, (N,)."""
    source = run.source.raw
    return nearest_examples(evenly_spaced(source, "test", 100).x, source.split("train"), 1).distances.flatten()


def steps(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What samples are after some of the steps of their draw: (steps) answers of `n` examples each."""
    n = number(asked, "n", 8, 1, 32)
    x = run.trajectory(n, seed_of(asked), asked.get("y") or None, **options_of(asked))
    chosen = torch.linspace(0, x.shape[1] - 1, min(FRAMES, x.shape[1])).round().long()
    frames = [examples(x[:, i].clamp(0, 1) if x.ndim == 5 else x[:, i], run.source) for i in chosen.tolist()]
    return {"frames": frames, "at": (chosen + 1).tolist(), "of": x.shape[1]}


def chain(run: StudioRun, state: Tensor | None, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Tensor]:
    """Where chains stand after some more steps, and their state; new chains where there is none."""
    model = require(run.model, MarkovChain)
    taken = number(asked, "steps", 1, 0, 1_000)
    with evaluating(run.model, seed_of(asked)):
        state = model.begin(number(asked, "n", 16, 1, 64)) if state is None else state
        state = model.move(state, taken)
        x = model.seen(state)
    return examples(run.source.natural(x).cpu(), run.source), state


def judged(run: StudioRun, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the discriminator says of test examples and of samples, as logits; the highest first."""
    model, n = require(run.model, Discriminates), number(asked, "n", 100, 2, MOST)
    data = evenly_spaced(run.source, "test", n).x.to(run.model.device)
    with evaluating(run.model, seed_of(asked)):
        made = require(run.model, Samples).sample(n)
        outputs = [model.discriminator_outputs(x)[:, 0].float().cpu() for x in (data, made)]
    answer: dict[str, Any] = {}
    for name, x, said in zip(("data", "samples"), (data, made), outputs, strict=True):
        order = said.argsort(descending=True)
        answer[name] = {
            **examples(run.source.natural(x[order.to(x.device)]).cpu(), run.source), "logits": said[order].tolist()
        }  # fmt: skip
    return answer
