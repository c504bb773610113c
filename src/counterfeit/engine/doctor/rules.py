"""From what a run logged to what is wrong with it: pure functions of numbers, each finding with a remedy.

A chart holds the rows of events.jsonl. What the model showed at an examination stands under `doctor/…`, see `vitals`.
The limits were chosen on healthy and on spoiled runs, see `benchmarks/doctor.py`, which reports on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from counterfeit.config.settings import Train
from counterfeit.engine.doctor.history import PREFIX, Chart, Finding

__all__ = ["diagnose", "not_finite"]

USUAL = {"sgd": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}  # learning rates that seldom overshoot


def diagnose(chart: Chart) -> list[Finding]:
    """All findings; what only follows from another one is left out."""
    found = {finding.kind: finding for detect in DETECTORS for finding in detect(chart)}
    if "divergence" in found:
        return [found["divergence"]]
    if "mode-collapse" in found:  # what is repeated may well be a mean
        found.pop("blur", None)
    if "posterior-collapse" in found:  # a decoder that hears nothing repeats itself, and its encoder falls silent
        for kind in ("mode-collapse", "off-data", "blur"):
            found.pop(kind, None)
        if "dead-units" in found and found["dead-units"].severity == "warning":
            found.pop("dead-units")
    return list(found.values())


def not_finite(what: str, step: int, train: Train) -> Finding:
    """The finding that a loss or weight is not finite."""
    remedies = [*_slower(train, 10), *_bounded(train)]
    remedies += ["`--train.precision fp32`"] if train.precision != "fp32" else []
    change = _try(remedies, "Take smaller steps")
    return Finding("divergence", "failure", step, what, "Steps overshot, and what was learnt is lost.", change)


def divergence(chart: Chart) -> Iterator[Finding]:
    """Weights far beyond their size, a loss far above all it was, samples off all scale or stuck at the limits."""
    gains = {name[5:]: chart.last(name) for name in chart.names("gain/")}
    large = [f"{part} {value:.3g}" for part, value in gains.items() if value > 30]
    size = "times the size that keeps signals at their scale"
    signs = [f"weights have grown to {size}: {', '.join(large)}"] if large else []
    signs += [sign for key in chart.keys("loss") for sign in _exploded(key, chart.series(key))]
    if (finite := chart.last("finite")) < 1:
        signs.append(f"{1 - finite:.0%} of the samples are not finite")
    if _all(reach := chart.lately("reach"), lambda v: v > 5):
        signs.append(f"samples lie {reach[-1]:.3g} times as far from the data's mean as data")
    usual = chart.last("limits-data")
    if _all(limits := chart.lately("limits"), lambda v: v > max(0.95, 0.5 + 0.5 * usual)):
        signs.append(f"{limits[-1]:.0%} of the pixels of samples are black or white, of data {usual:.0%}")
    remedies = [*_slower(chart.train, 10), *_bounded(chart.train)]
    yield from _finding(
        chart, "divergence", True, signs, "Steps overshoot, and what was learnt is lost.",
        _try(remedies, "Take smaller steps"),
    )  # fmt: skip


def mode_collapse(chart: Chart) -> Iterator[Finding]:
    """Samples that are alike: few groups of the data, modes or classes left out, or near duplicates."""
    signs, worst = [], 1.0
    groups, theirs = chart.lately("groups"), chart.last("groups-data")
    if theirs >= 4 and _all(groups, lambda v: v < theirs / 3):
        signs.append(f"samples fall into {groups[-1]:.1f} groups where data fall into {theirs:.1f}")
        worst = min(worst, groups[-1] / theirs)
    missing, kinds = chart.lately("missing"), next((k for k in ("modes", "classes") if chart.names(k)), "")
    total = chart.last(kinds)
    if _all(missing, lambda v: v > 0.2 * total):
        signs.append(f"{missing[-1]:.0f} of {total:.0f} {kinds} have no sample")
        worst = min(worst, 1 - missing[-1] / total)
    if _all(twins := chart.lately("twins"), lambda v: v < 0.1):
        signs.append(f"samples lie {twins[-1]:.2g} times as far from each other as data")
        worst = min(worst, twins[-1])
    remedies = chart.option("model.instance_noise", max(0.2, 2 * chart.setting("instance_noise", 0.0)))
    remedies += _slower(chart.train, 2)
    remedies += chart.option("model.noise_dim", 16) if chart.setting("noise_dim", 16) < 4 else []
    yield from _finding(
        chart, "mode-collapse", worst < 0.3, signs,
        "The model repeats a few things of the many that the data hold, and scores of single samples do not show it.",
        _try(remedies, "Blur what the discriminator sees, or learn more slowly"),
    )  # fmt: skip


def discriminator_won(chart: Chart) -> Iterator[Finding]:
    """A part that logs its mean probability on `real` and on `fake` examples tells them apart without fail."""
    for key in chart.keys("real"):
        judge = key.rpartition("/")[0]
        real, fake = chart.series(key), chart.series(f"{judge}/fake")
        lines = max(5, math.ceil(0.1 * chart.train.steps / chart.train.log_every))
        wins = all(abs(r - 1) < 0.03 and abs(f) < 0.03 for r, f in zip(real[-lines:], fake[-lines:], strict=False))
        if chart.young or min(len(real), len(fake)) < lines or not wins:
            continue
        means = f"{_mean(real[-lines:]):.4f} and fake ones {_mean(fake[-lines:]):.4f}"
        signs = [f"for {lines * chart.train.log_every} steps {judge} gave real examples {means}"]
        vanished = [sign for name in chart.names("gradient/") if name[9:] != judge for sign in _vanished(chart, name)]
        rule = chart.train.of_part(judge)
        fast = rule.lr > USUAL[rule.optimizer]
        remedies = _slower(chart.train, 4) if fast else []
        remedies += chart.option("model.instance_noise", max(0.2, 2 * chart.setting("instance_noise", 0.0)))
        remedies += [] if fast else chart.option(f"train.parts.{judge}.lr", rule.lr / 4)
        remedies += _dropout(chart)
        remedies += chart.option("model.objective", "non-saturating") if vanished else []
        yield from _finding(
            chart, "discriminator-won", bool(vanished), signs + vanished,
            "A judge that never errs no longer tells which way is better, so samples stop improving.",
            _try(remedies, "Make its task harder or its steps smaller"),
        )  # fmt: skip


def posterior_collapse(chart: Chart) -> Iterator[Finding]:
    """Codes that hardly depend on the example."""
    signs, codes = [], chart.last("codes")
    if chart.complete and _all(kept := chart.lately("kept"), lambda v: v < 0.1):
        signs.append(f"decoded codes explain {max(0.0, kept[-1]):.0%} of what held-out data vary by")
    if silent := _all(active := chart.lately("active"), lambda v: v <= 0.1):
        signs.append(f"{active[-1] * codes:.0f} of {codes:.0f} codes tell one example from another")
    if signs and (kl := [value for key in chart.keys("kl") for value in chart.series(key)[-1:]]):
        signs.append(f"the divergence from the prior is {kl[-1]:.2g} nats")
    beta = chart.setting("beta", 1.0)
    remedies = chart.option("model.beta", max(1.0, beta / 10)) if beta > 1 else []
    remedies += chart.option("model.kl_warmup_fraction", 0.4) + _slower(chart.train, 2)
    remedies += _longer(chart) if chart.complete and chart.last("active") > 0.1 else []
    yield from _finding(
        chart, "posterior-collapse", silent, signs,
        "The decoder ignores the code, so codes mean nothing, and what they decode to is one picture.",
        _try(remedies, "Weigh the divergence less, or let its weight rise slowly"),
    )  # fmt: skip


def memorization(chart: Chart) -> Iterator[Finding]:
    """Samples far nearer to training examples than held-out data are, or training examples far likelier than these."""
    signs, copies, usual = [], chart.lately("copies"), chart.last("copies-data")
    # where held-out data lie as near, as in the plane, nearness says nothing
    if usual < 0.15 and _all(copies, lambda v: v > usual + 0.25):
        near = f"closer than {0.5 * chart.last('near-data'):.3g} to a training example"
        signs.append(f"{copies[-1]:.0%} of the samples lie {near}, of held-out data {usual:.0%}")
    if _all(ahead := chart.lately("advantage"), lambda v: v > 1.5):
        nats = f"{chart.last('nats'):.4g} nats, held-out ones {chart.last('nats-held-out'):.4g}"
        signs.append(f"training examples have {nats}: {ahead[-1]:.1f} standard deviations of one example less")
    remedies = chart.option("train.steps", str(max(1, chart.step // 4))) + chart.option("train.weight_decay", 1e-3)
    yield from _finding(
        chart, "memorization", bool(copies) and copies[-1] > 0.6, signs,
        "The model gives back what it was shown, which is no sampling and may disclose private data.",
        _try(remedies, "Train on more examples, for fewer steps, or with smaller nets"),
    )  # fmt: skip


def off_data(chart: Chart) -> Iterator[Finding]:
    """Samples where no data are: a cloud, or noise. Training begins there, so only what it ends with counts."""
    signs, usual = [], chart.last("near-data")
    far = max(1.6 * usual, 0.1 * chart.last("scale"))  # data in the plane lie as close as there are many of them
    if chart.complete and _all(near := chart.lately("near"), lambda v: v > far):
        signs.append(f"samples lie {near[-1]:.3g} from the nearest training example, held-out data {usual:.3g}")
    if chart.complete and _all(sharp := chart.lately("sharp"), lambda v: v > 2):
        signs.append(f"pixels of samples differ from their neighbours {sharp[-1]:.1f} times as much as those of data")
    yield from _finding(
        chart, "off-data", False, signs,
        "Samples look like no data, whatever statistics of all of them say.", _try(_longer(chart), "Train for longer"),
    )  # fmt: skip


def blur(chart: Chart) -> Iterator[Finding]:
    """Pictures without the edges of data. They sharpen as training goes on, so only what it ends with counts."""
    signs = []
    if chart.complete and _all(sharp := chart.lately("sharp"), lambda v: v < 0.77):
        signs.append(f"pixels of samples differ from their neighbours {sharp[-1]:.2f} times as much as those of data")
    yield from _finding(
        chart, "blur", False, signs,
        "Blurred pictures score well by distances in pixels, as means of pictures do, and look like none.",
        _try(_longer(chart), "Train for longer, or with a sharper objective"),
    )  # fmt: skip


def dead_units(chart: Chart) -> Iterator[Finding]:
    """Layers most of whose units give one value whatever comes."""
    shares = {name[5:]: chart.lately(name) for name in chart.names("dead/")}
    dead = {layer: values[-1] for layer, values in shares.items() if _all(values, lambda v: v > 0.85)}
    signs = [f"{share:.0%} of the units of {layer} never change" for layer, share in dead.items()]
    remedies = _slower(chart.train, 4) + chart.option("model.activation", "leaky-relu")
    remedies += chart.option("model.norm", "batch")
    yield from _finding(
        chart, "dead-units", bool(dead) and max(dead.values()) > 0.97, signs,
        "Such units pass nothing on and get no gradient, so they stay dead and the layer is as narrow as the rest.",
        _try(remedies, "Take smaller steps, a leaky activation, or normalize"),
    )  # fmt: skip


DETECTORS: Sequence[Callable[[Chart], Iterator[Finding]]] = (
    divergence, posterior_collapse, mode_collapse, discriminator_won, memorization, off_data, blur, dead_units,
)  # fmt: skip


def _finding(chart: Chart, kind: str, fails: bool, signs: Sequence[str], why: str, change: str) -> Iterator[Finding]:
    if signs:
        yield Finding(kind, "failure" if fails else "warning", chart.step, "; ".join(signs), why, change)


def _slower(train: Train, times: float) -> list[str]:
    """Options for learning rates so many times lower, but no higher than usual: of all parts, and of those with own."""
    rules = {
        "lr": train,
        **{f"parts.{part}.lr": train.of_part(part) for part, own in train.parts.items() if "lr" in own},
    }
    lower = {name: min(rule.lr / times, USUAL[rule.optimizer]) for name, rule in rules.items()}
    return [" with ".join(f"`--train.{name} {lr:.2g}`" for name, lr in lower.items())]


def _longer(chart: Chart) -> list[str]:
    return chart.option("train.steps", str(4 * chart.train.steps))


def _bounded(train: Train) -> list[str]:
    """An option that bounds the gradient, where it is not bounded yet."""
    return [] if train.clip_grad_norm and train.clip_grad_norm <= 1 else ["`--train.clip_grad_norm 1`"]


def _dropout(chart: Chart) -> list[str]:
    """An option that drops more, at the input and at hidden layers, or at all alike where a model has one rate."""
    held = chart.held("dropout")
    rates = tuple(map(max, held, (0.2, 0.5))) if isinstance(held, tuple) else max(0.2, held or 0.0)
    return chart.option("model.dropout", rates)


def _try(options: Sequence[str], words: str) -> str:
    return f"{words}: {' or '.join(options)}." if options else f"{words}."


def _exploded(key: str, values: Sequence[float]) -> Iterator[str]:
    """A loss whose last values all lie ten times its former range above its former greatest."""
    earlier, recent = values[: max(3, len(values) // 2)], values[-3:]
    if len(values) >= 6:
        top, low = max(earlier), min(earlier)
        if min(recent) > top + 10 * max(top - low, 0.1 * abs(top), 1.0):
            yield f"{key} rose to {recent[-1]:.3g}, having been between {low:.3g} and {top:.3g}"


def _vanished(chart: Chart, name: str) -> Iterator[str]:
    norms = chart.series(PREFIX + name)
    if norms and norms[-1] < max(1e-6, 0.02 * max(norms)):
        before = f", having been {max(norms):.2g}" if norms[-1] < 0.5 * max(norms) else ""
        yield f"the gradient of {name[9:]} has fallen to {norms[-1]:.2g}{before}"


def _all(values: Sequence[float], sign: Callable[[float], bool]) -> bool:
    return bool(values) and all(map(sign, values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
