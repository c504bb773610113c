"""The words of the pages, by language: a file each, found in this folder's `locales`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["DEFAULT", "languages", "preferred", "words"]

DEFAULT = "en"


@cache
def languages() -> Mapping[str, str]:
    """Language -> its own name of itself, English first."""
    folder = files("counterfeit.studio").joinpath("locales")
    codes = sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json"))
    ordered = sorted(codes, key=lambda code: code != DEFAULT)
    return {code: _read(code)["language"] for code in ordered}


@cache
def _read(code: str) -> Mapping[str, str]:
    text = files("counterfeit.studio").joinpath("locales", f"{code}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@cache
def words(code: str) -> Mapping[str, str]:
    """Key -> text; in English what a language does not say."""
    return {**_read(DEFAULT), **_read(code if code in languages() else DEFAULT)}


def preferred(asked: str | None, cookie: str | None, accepted: str) -> str:
    """The language of a page: asked for, chosen before, or preferred by the browser.

    Arguments:
        asked: by the address.
        cookie: of an earlier choice.
        accepted: the header accept-language.

    Example:
        >>> preferred(None, None, "fr-CH, ko;q=0.8, en;q=0.5")
        'ko'
    """
    ranked = sorted(
        ((_weight(part), part.split(";")[0].strip().lower()[:2]) for part in accepted.split(",")[:20]),
        key=lambda pair: -pair[0],
    )
    candidates = [asked, cookie, *(code for _, code in ranked)]
    return next((code for code in candidates if code and code in languages()), DEFAULT)


def _weight(part: str) -> float:
    _, _, quality = part.partition("q=")
    try:
        return float(quality) if quality else 1.0
    except ValueError:
        return 0.0
