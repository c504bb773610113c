"""HTML that is escaped unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Markup", "join", "tag"]

VOID = {"br", "img", "meta", "source"}


class Markup(str):
    """Text that is HTML already; `tag` escapes any other text."""


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element; an attribute that Python reserves, or with a hyphen, is written `class_` or `aria_label`.

    Example:
        >>> tag("p", "a < ", tag("b", "c"), class_="x")
        '<p class="x">a &lt; <b>c</b></p>'
    """
    written = "".join(f' {k.rstrip("_").replace("_", "-")}="{escape(v)}"' for k, v in attributes.items())
    return Markup(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[str], between: str = "") -> Markup:
    """Elements and text, one after another."""
    return Markup(
        between.join(child if isinstance(child, Markup) else escape(child, quote=False) for child in children)
    )
