"""Examples in the order of their scores: the least and the most likely, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from torch import Tensor

from counterfeit.common.numbers import number
from counterfeit.data.images import encode_png, to_uint8
from counterfeit.inference.scoring import Scored
from counterfeit.report.html.figure import Picture
from counterfeit.report.html.markup import Markup, tag
from counterfeit.report.run_page.page import document, section

__all__ = ["ScoredExamples", "page"]

VALUES = 8  # of an example that is no picture, at most


@dataclass(frozen=True)
class ScoredExamples:
    """Examples with what a model says of them.

    Arguments:
        names: what each is called.
        x: the examples in the data's natural unit, (N, *shape).
        scored: what the model says.
        p: how rare scores as high are among held-out data, (N,).
        texts: what each says, where the data are texts.
    """

    names: Sequence[str]
    x: Tensor
    scored: Scored
    p: Tensor
    texts: Sequence[str] = ()

    def rows(self) -> list[dict[str, str | float]]:
        """A row for each example: its name, and a number for each thing that is known of it."""
        columns = {"anomaly": self.scored.anomaly, "nats": self.scored.nats, "bits_per_dim": self.scored.bits}
        known = {name: values.tolist() for name, values in columns.items() if values is not None}
        known["p_value"] = self.p.tolist()
        return [
            {"file": name, **{key: values[i] for key, values in known.items()}, **self._text(i)}
            for i, name in enumerate(self.names)
        ]

    def _text(self, i: int) -> dict[str, str]:
        return {"text": self.texts[i]} if self.texts else {}


def page(title: str, by: str, found: ScoredExamples, most: int) -> str:
    """A page of the `most` strangest and the `most` least strange examples, as HTML that needs no other file.

    Arguments:
        title: of the page.
        by: what the score is, in words.
        found: the examples.
        most: how many of each are shown.
    """
    order = found.scored.anomaly.argsort(descending=True).tolist()
    count = "One example" if len(order) == 1 else f"{len(order):,} examples"
    about = f"{count}, by {by}. The p-value of an example is the share of held-out data, the example itself counted, "
    about += "that are at least as strange."
    shown = {"From the least to the most likely": order}
    if len(order) > 2 * most:
        shown = {"Least likely": order[:most], "Most likely": order[: -most - 1 : -1]}
    sections = [
        section(name, tag("div", *(_example(found, i) for i in some), class_="tiles")) for name, some in shown.items()
    ]
    return document(title, tag("main", tag("header", tag("h1", title), tag("p", about, class_="lede")), *sections))


def _example(found: ScoredExamples, i: int) -> Markup:
    """One example above its number and the end of its name."""
    value = found.scored.anomaly[i] if found.scored.nats is None else found.scored.nats[i]
    unit = "" if found.scored.nats is None else " nats"
    name = PurePosixPath(found.names[i]).name
    lines = (f"{number(float(value))}{unit}", f"p-value {float(found.p[i]):.2g}", name)
    caption = tag("figcaption", *(tag("div", line) for line in lines))
    shown = tag("q", found.texts[i]) if found.texts else _shown(found.x[i], found.names[i])
    return tag("figure", shown, caption, title=found.names[i])


def _shown(x: Tensor, name: str) -> Markup:
    """A picture as such; of other examples their first values."""
    if x.ndim == 3 and x.shape[0] in (1, 3):
        return tag("img", src=Picture(encode_png(to_uint8(x)), ".png").uri, alt=name, class_="crisp")
    flat = x.flatten()
    values = ", ".join(number(float(value)) for value in flat[:VALUES])
    return tag("code", values + (", …" if len(flat) > VALUES else ""))
