"""What a figure is: a picture with its words, and how both reach files and pages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from counterfeit.common.files import atomic
from counterfeit.report.html.markup import Markup, tag

__all__ = ["Figure", "Picture", "element", "save"]

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp", ".wav": "audio/wav"}


@dataclass(frozen=True)
class Picture:
    """The bytes of a picture file, or of a sound.

    Arguments:
        data: its content.
        suffix: ".png", ".svg" or ".webp"; ".wav" of a sound.
        crisp: whether its pixels are to be seen as squares.
    """

    data: bytes
    suffix: str
    crisp: bool = False

    @property
    def uri(self) -> str:
        """The content as an address that needs no network.

        Example:
            >>> Picture(b"abc", ".png").uri
            'data:image/png;base64,YWJj'
        """
        return f"data:{MEDIA_TYPES[self.suffix]};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Figure:
    """A picture with its words.

    Arguments:
        name: of its file, without the suffix.
        section: heading that it stands under, with others of the same.
        caption: what it shows.
        alt: the same for who cannot see it.
        picture: what is shown.
        dark: what is shown in its place on a dark page.
        still: what is shown in its place on paper, or where motion is unwanted.
        sounds: what can be played below it, by name.
    """

    name: str
    section: str
    caption: str
    alt: str
    picture: Picture
    dark: Picture | None = None
    still: Picture | None = None
    sounds: Mapping[str, Picture] = field(default_factory=dict)


def element(figure: Figure) -> Markup:
    """The figure as HTML that holds its pictures."""
    usual = " ".join(["light"] * bool(figure.dark) + ["moving"] * bool(figure.still))
    shown = [(figure.picture, usual), (figure.dark, "dark"), (figure.still, "still")]
    images = [_image(picture, figure.alt, style) for picture, style in shown if picture]
    players = [tag("audio", controls="", preload="none", src=sound.uri, title=name, aria_label=name)
               for name, sound in figure.sounds.items()]  # fmt: skip
    return tag("figure", *images, *players, tag("figcaption", figure.caption))


def _image(picture: Picture, alt: str, style: str) -> Markup:
    return tag("img", src=picture.uri, alt=alt, class_=f"{style} crisp" if picture.crisp else style)


def save(figures: Sequence[Figure], folder: Path) -> Path:
    """Write each figure into `folder` as a file of its own, and its sounds; those for dark pages end in `-dark`."""
    for figure in figures:
        heard = [(f"-{name}".replace(" ", "-"), sound) for name, sound in figure.sounds.items()]
        for ending, picture in (("", figure.picture), ("-dark", figure.dark), *heard):
            if picture:
                with atomic(folder / f"{figure.name}{ending}{picture.suffix}") as part:
                    part.write_bytes(picture.data)
    return folder
