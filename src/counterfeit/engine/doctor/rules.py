"""From what a run logged to what is wrong with it: pure functions of numbers, each finding with changes that may help.

A chart holds the rows of events.jsonl. What an examination measured stands under `doctor/…`, see `sample_statistics`.
The limits were chosen on healthy and on spoiled runs, see `benchmarks/doctor.py`, which reports on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from counterfeit.config.settings import Train
from counterfeit.engine.doctor.finding import Change, Finding, Sign
from counterfeit.engine.doctor.history import PREFIX, Chart

__all__ = ["diagnose", "not_finite"]

USUAL = {"sgd": 0.1, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "adadelta": 1.0}  # seldom overshoot


def diagnose(chart: Chart) -> list[Finding]:
    """All findings; what only follows from another one is left out."""
    found = {finding.kind: finding for detect in DETECTORS for finding in detect(chart)}
    if "divergence" in found:
        return [found["divergence"]]
    if "mode-collapse" in found:  # what is repeated may well be a mean
        found.pop("blur", None)
    if "posterior-collapse" in found:  # a decoder that ignores its codes repeats itself, and its encoder falls silent
        for kind in ("mode-collapse", "off-data", "blur"):
            found.pop(kind, None)
        if "dead-units" in found and found["dead-units"].severity == "warning":
            found.pop("dead-units")
    return list(found.values())


def not_finite(what: str, step: int, train: Train) -> Finding:
    """The finding that a loss or weight is not finite."""
    changes = _slower(train, 10) + _bounded(train)
    changes += [Change("train.precision", "fp32")] if train.precision != "fp32" else []
    return Finding("divergence", "failure", step, (Sign("said", {"text": what}),), tuple(changes))


def divergence(chart: Chart) -> Iterator[Finding]:
    """Weights far beyond their size, a loss far above all it was, samples off all scale or stuck at the limits."""
    gains = {name[5:]: chart.last(name) for name in chart.names("gain/")}
    large = {part: value for part, value in gains.items() if value > 30}
    signs = [Sign("large-weights", {"parts": large})] if large else []
    signs += [sign for key in chart.keys("loss") for sign in _exploded(key, chart.series(key))]
    if (finite := chart.last("finite")) < 1:
        signs.append(Sign("not-finite", {"share": 1 - finite}))
    if _all(reach := chart.lately("reach"), lambda v: v > 5):
        signs.append(Sign("off-scale", {"times": reach[-1]}))
    usual = chart.last("limits-data")
    if _all(limits := chart.lately("limits"), lambda v: v > max(0.95, 0.5 + 0.5 * usual)):
        signs.append(Sign("at-limits", {"share": limits[-1], "data": usual}))
    yield from _finding(chart, "divergence", True, signs, _slower(chart.train, 10) + _bounded(chart.train))


def mode_collapse(chart: Chart) -> Iterator[Finding]:
    """Samples that are alike: few groups of the data, modes or classes left out, or near duplicates."""
    signs, worst = [], 1.0
    groups, theirs = chart.lately("groups"), chart.last("groups-data")
    if theirs >= 4 and _all(groups, lambda v: v < theirs / 3):
        signs.append(Sign("few-groups", {"groups": groups[-1], "data": theirs}))
        worst = min(worst, groups[-1] / theirs)
    missing, kinds = chart.lately("missing"), next((k for k in ("modes", "classes") if chart.names(k)), "")
    total = chart.last(kinds)
    if _all(missing, lambda v: v > 0.2 * total):
        signs.append(Sign("missing", {"missing": missing[-1], "total": total, "kinds": kinds}))
        worst = min(worst, 1 - missing[-1] / total)
    if _all(twins := chart.lately("twins"), lambda v: v < 0.1):
        signs.append(Sign("near-duplicates", {"times": twins[-1]}))
        worst = min(worst, twins[-1])
    changes = _noisier(chart) + _slower(chart.train, 2)
    changes += chart.option("model.noise_dim", 16) if chart.setting("noise_dim", 16) < 4 else []
    yield from _finding(chart, "mode-collapse", worst < 0.3, signs, changes)


def discriminator_won(chart: Chart) -> Iterator[Finding]:
    """A part that logs its mean probability on `real` and on `fake` examples tells them apart without fail."""
    for key in chart.keys("real"):
        part = key.rpartition("/")[0]
        real, fake = chart.series(key), chart.series(f"{part}/fake")
        lines = max(5, math.ceil(0.1 * chart.train.steps / chart.train.log_every))
        wins = all(abs(r - 1) < 0.03 and abs(f) < 0.03 for r, f in zip(real[-lines:], fake[-lines:], strict=False))
        if chart.young or min(len(real), len(fake)) < lines or not wins:
            continue
        means = {"real": _mean(real[-lines:]), "fake": _mean(fake[-lines:])}
        signs = [Sign("always-right", {"steps": lines * chart.train.log_every, "part": part, **means})]
        vanished = [sign for name in chart.names("gradient/") if name[9:] != part for sign in _vanished(chart, name)]
        optimizer = chart.train.of_part(part)
        fast = optimizer.lr > USUAL[optimizer.optimizer]
        changes = _slower(chart.train, 4) if fast else []
        changes += _noisier(chart)
        changes += [] if fast else chart.option(f"train.parts.{part}.lr", _two_digits(optimizer.lr / 4))
        changes += _dropout(chart)
        changes += chart.option("model.objective", "non-saturating") if vanished else []
        yield from _finding(chart, "discriminator-won", bool(vanished), signs + vanished, changes)


def posterior_collapse(chart: Chart) -> Iterator[Finding]:
    """Codes that hardly depend on the example."""
    signs, codes = [], chart.last("codes")
    if chart.complete and _all(kept := chart.lately("kept"), lambda v: v < 0.1):
        signs.append(Sign("unexplained", {"share": max(0.0, kept[-1])}))
    if silent := _all(active := chart.lately("active"), lambda v: v <= 0.1):
        signs.append(Sign("inactive-codes", {"active": active[-1] * codes, "codes": codes}))
    if signs and (kl := [value for key in chart.keys("kl") for value in chart.series(key)[-1:]]):
        signs.append(Sign("small-divergence", {"nats": kl[-1]}))
    beta = chart.setting("beta", 1.0)
    changes = chart.option("model.beta", _two_digits(max(1.0, beta / 10))) if beta > 1 else []
    changes += chart.option("model.kl_warmup_fraction", 0.4) + _slower(chart.train, 2)
    changes += _longer(chart) if chart.complete and chart.last("active") > 0.1 else []
    yield from _finding(chart, "posterior-collapse", silent, signs, changes)


def memorization(chart: Chart) -> Iterator[Finding]:
    """Samples far nearer to training examples than held-out data are, or training examples far likelier than these."""
    signs, copies, usual = [], chart.lately("copies"), chart.last("copies-data")
    # where held-out data lie as near, as in the plane, nearness says nothing
    if usual < 0.15 and _all(copies, lambda v: v > usual + 0.25):
        distance = 0.5 * chart.last("near-data")
        signs.append(Sign("copies", {"share": copies[-1], "distance": distance, "data": usual}))
    if _all(ahead := chart.lately("advantage"), lambda v: v > 1.5):
        nats = {"nats": chart.last("nats"), "held_out": chart.last("nats-held-out")}
        signs.append(Sign("likelier", {**nats, "deviations": ahead[-1]}))
    changes = chart.option("train.steps", max(1, chart.step // 4)) + chart.option("train.weight_decay", 1e-3)
    yield from _finding(chart, "memorization", bool(copies) and copies[-1] > 0.6, signs, changes)


def off_data(chart: Chart) -> Iterator[Finding]:
    """Samples where no data are: a cloud, or noise. Training begins there, so only what it ends with counts."""
    signs, usual = [], chart.last("near-data")
    far = max(1.6 * usual, 0.1 * chart.last("scale"))  # data in the plane lie as close as there are many of them
    if chart.complete and _all(near := chart.lately("near"), lambda v: v > far):
        signs.append(Sign("far", {"distance": near[-1], "data": usual}))
    if chart.complete and _all(sharp := chart.lately("sharp"), lambda v: v > 2):
        signs.append(Sign("rough", {"times": sharp[-1]}))
    yield from _finding(chart, "off-data", False, signs, _longer(chart))


def blur(chart: Chart) -> Iterator[Finding]:
    """Pictures without the edges of data. They sharpen as training goes on, so only what it ends with counts."""
    signs = []
    if chart.complete and _all(sharp := chart.lately("sharp"), lambda v: v < 0.77):
        signs.append(Sign("smooth", {"times": sharp[-1]}))
    yield from _finding(chart, "blur", False, signs, _longer(chart))


def dead_units(chart: Chart) -> Iterator[Finding]:
    """Layers most of whose units give one value whatever comes."""
    shares = {name[5:]: chart.lately(name) for name in chart.names("dead/")}
    dead = {layer: values[-1] for layer, values in shares.items() if _all(values, lambda v: v > 0.85)}
    signs = [Sign("dead", {"layer": layer, "share": share}) for layer, share in dead.items()]
    changes = _slower(chart.train, 4) + chart.option("model.activation", "leaky-relu")
    changes += chart.option("model.norm", "batch")
    yield from _finding(chart, "dead-units", bool(dead) and max(dead.values()) > 0.97, signs, changes)


DETECTORS: Sequence[Callable[[Chart], Iterator[Finding]]] = (
    divergence, posterior_collapse, mode_collapse, discriminator_won, memorization, off_data, blur, dead_units,
)  # fmt: skip


def _finding(
    chart: Chart, kind: str, fails: bool, signs: Sequence[Sign], changes: Sequence[Change]
) -> Iterator[Finding]:
    if signs:
        yield Finding(kind, "failure" if fails else "warning", chart.step, tuple(signs), tuple(changes))


def _slower(train: Train, times: float) -> list[Change]:
    """Learning rates so many times lower, but no higher than usual: of all parts, and of those with own."""
    rates = {
        "lr": train,
        **{f"parts.{part}.lr": train.of_part(part) for part, own in train.parts.items() if "lr" in own},
    }
    lower = [
        Change(f"train.{name}", _two_digits(min(one.lr / times, USUAL[one.optimizer]))) for name, one in rates.items()
    ]
    return [Change(lower[0].setting, lower[0].value, tuple(lower[1:]))]


def _longer(chart: Chart) -> list[Change]:
    return chart.option("train.steps", 4 * chart.train.steps)


def _bounded(train: Train) -> list[Change]:
    """A bound on the gradient, where it is not bounded yet."""
    return [] if train.clip_grad_norm and train.clip_grad_norm <= 1 else [Change("train.clip_grad_norm", 1.0)]


def _noisier(chart: Chart) -> list[Change]:
    """More noise on what the discriminator sees."""
    return chart.option("model.instance_noise", _two_digits(max(0.2, 2 * chart.setting("instance_noise", 0.0))))


def _dropout(chart: Chart) -> list[Change]:
    """More dropout, at the input and at hidden layers, or at all alike where a model has one rate."""
    held = chart.held("dropout")
    rates = tuple(map(max, held, (0.2, 0.5))) if isinstance(held, tuple) else max(0.2, held or 0.0)
    return chart.option("model.dropout", rates)


def _exploded(key: str, values: Sequence[float]) -> Iterator[Sign]:
    """A loss whose last values all lie ten times its former range above its former greatest."""
    earlier, recent = values[: max(3, len(values) // 2)], values[-3:]
    if len(values) >= 6:
        top, low = max(earlier), min(earlier)
        if min(recent) > top + 10 * max(top - low, 0.1 * abs(top), 1.0):
            yield Sign("loss-exploded", {"loss": key, "value": recent[-1], "low": low, "high": top})


def _vanished(chart: Chart, name: str) -> Iterator[Sign]:
    norms, part = chart.series(PREFIX + name), name[9:]
    if norms and norms[-1] < max(1e-6, 0.02 * max(norms)):
        fell = norms[-1] < 0.5 * max(norms)
        before = {"largest": max(norms)} if fell else {}
        yield Sign("fallen-gradient" if fell else "small-gradient", {"part": part, "norm": norms[-1], **before})


def _two_digits(value: float) -> float:
    """As near as a setting that is advised is meant."""
    return float(f"{value:.2g}")


def _all(values: Sequence[float], sign: Callable[[float], bool]) -> bool:
    return bool(values) and all(map(sign, values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
