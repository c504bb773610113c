"""The words of findings: the one place where what was seen, why it matters and what to change become sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ADVICE", "SIGNS", "WHY", "sign", "value"]

SIGNS = {
    "said": "{text}",
    "large-weights": "weights have grown to times the size that keeps signals at their scale: {parts}",
    "loss-exploded": "{loss} rose to {value:.3g}, having been between {low:.3g} and {high:.3g}",
    "not-finite": "{share:.0%} of the samples are not finite",
    "off-scale": "samples lie {times:.3g} times as far from the data's mean as data",
    "at-limits": "{share:.0%} of the pixels of samples are black or white, of data {data:.0%}",
    "few-groups": "samples fall into {groups:.1f} groups where data fall into {data:.1f}",
    "missing": "{missing:.0f} of {total:.0f} {kinds} have no sample",
    "near-duplicates": "samples lie {times:.2g} times as far from each other as data",
    "always-right": "for {steps} steps {part} gave real examples {real:.4f} and fake ones {fake:.4f}",
    "small-gradient": "the gradient of {part} has fallen to {norm:.2g}",
    "fallen-gradient": "the gradient of {part} has fallen to {norm:.2g}, having been {largest:.2g}",
    "unexplained": "decoded codes explain {share:.0%} of what held-out data vary by",
    "inactive-codes": "{active:.0f} of {codes:.0f} codes tell one example from another",
    "small-divergence": "the divergence from the prior is {nats:.2g} nats",
    "copies": "{share:.0%} of the samples lie closer than {distance:.3g} to a training example, of held-out data "
    "{data:.0%}",
    "likelier": "training examples have {nats:.4g} nats, held-out ones {held_out:.4g}: {deviations:.1f} standard "
    "deviations of one example less",
    "far": "samples lie {distance:.3g} from the nearest training example, held-out data {data:.3g}",
    "rough": "pixels of samples differ from their neighbours {times:.1f} times as much as those of data",
    "smooth": "pixels of samples differ from their neighbours {times:.2f} times as much as those of data",
    "dead": "{share:.0%} of the units of {layer} never change",
}
"""What each sign looked like, with its numbers."""

WHY = {
    "divergence": "Steps overshoot, and what was learnt is lost.",
    "mode-collapse": "The model repeats a few things of the many that the data hold, and scores of single samples do "
    "not show it.",
    "discriminator-won": "A discriminator that never errs no longer tells which way is better, so samples stop "
    "improving.",
    "posterior-collapse": "The decoder ignores the code, so codes mean nothing, and what they decode to is one "
    "picture.",
    "memorization": "The model gives back what it was shown, which is no sampling and may disclose private data.",
    "off-data": "Samples look like no data, whatever statistics of all of them say.",
    "blur": "Blurred pictures score well by distances in pixels, as means of pictures do, and look like none.",
    "dead-units": "Such units pass nothing on and get no gradient, so they stay dead and the layer is as narrow as the "
    "rest.",
}
"""Why each kind of finding matters."""

ADVICE = {
    "divergence": "Take smaller steps",
    "mode-collapse": "Blur what the discriminator sees, or learn more slowly",
    "discriminator-won": "Make its task harder or its steps smaller",
    "posterior-collapse": "Weigh the divergence less, or let its weight rise slowly",
    "memorization": "Train on more examples, for fewer steps, or with smaller nets",
    "off-data": "Train for longer",
    "blur": "Train for longer, or with a sharper objective",
    "dead-units": "Take smaller steps, a leaky activation, or normalize",
}
"""What to do about each kind of finding, before the settings that do it."""


def sign(name: str, values: Mapping[str, Any]) -> str:
    """What was seen, as a part of a sentence.

    Example:
        >>> sign("few-groups", {"groups": 3.6, "data": 16.5})
        'samples fall into 3.6 groups where data fall into 16.5'
    """
    return SIGNS[name].format(**{key: _listed(one) for key, one in values.items()})


def value(setting: Any) -> str:
    """A setting's value as on the command line.

    Example:
        >>> value((0.2, 0.5)), value(0.00025), value("batch")
        ('0.2,0.5', '0.00025', 'batch')
    """
    if isinstance(setting, (tuple, list)):
        return ",".join(map(value, setting))
    return format(setting, ".2g") if isinstance(setting, float) else str(setting)


def _listed(one: Any) -> Any:
    """Numbers by name, such as one of each part, as a list in words; all else as it is."""
    return ", ".join(f"{name} {number:.3g}" for name, number in one.items()) if isinstance(one, Mapping) else one
