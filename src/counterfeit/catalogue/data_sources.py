"""Finds every source, by its name or by the path of what it reads.

A source is a concrete `Source` in `data/sources/`.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from pathlib import Path

from counterfeit.common.discovery import by_name, concrete, modules
from counterfeit.common.files import DataError
from counterfeit.common.spelling import nearest
from counterfeit.config.settings import AUTO, Data
from counterfeit.data.class_subset import chosen
from counterfeit.data.source import Source, transformed
from counterfeit.data.sources.arrays import SUFFIXES, Arrays
from counterfeit.data.sources.captioned_folder import CaptionedFolder
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.kept import KEPT, Kept, kept_name
from counterfeit.data.sources.paired_folder import PairedFolder
from counterfeit.data.sources.sounds import Sounds, holds_sounds
from counterfeit.data.sources.table import TABLES, Table
from counterfeit.data.sources.text_lines import TEXT, Lines
from counterfeit.data.sources.video_folder import Videos
from counterfeit.transforms import build as chain

__all__ = ["resizable", "source", "sources"]


@cache
def sources() -> dict[str, type[Source]]:
    """Every source by name."""
    return by_name(
        (cls.name, cls)
        for path in modules("counterfeit.data.sources")
        for cls in concrete(importlib.import_module(path), Source).values() if hasattr(cls, "name")
    )  # fmt: skip


def source(data: Data | str, beside: Path | None = None, adopted: Source | None = None) -> Source:
    """The source that settings name: by its name, or by the path of pictures, videos, sounds or arrays.

    Transforms that the settings leave to a model, which is not known here, are left out.

    Arguments:
        data: the settings.
        beside: the run folder, for data kept there.
        adopted: what was handed over in place of a name.
    """
    data = Data(data) if isinstance(data, str) else data
    raw = adopted or _construct(*_named(data, beside), data)
    if data.classes:
        raw = chosen(raw, data.classes)
    names = [name for name in data.transforms if name != AUTO]
    return transformed(raw, chain(names)) if names else raw


def resizable(name: str) -> bool:
    """Whether the data of a name or path take `data.size`; also where there are none, which is said later."""
    try:
        return "size" in inspect.signature(_named(Data(name), None)[0]).parameters
    except (ValueError, DataError):
        return True


def _named(data: Data, beside: Path | None) -> tuple[type[Source], Path | None]:
    """The class of the source that is named, and the path of what it reads where that was named."""
    if beside is not None and data.name == KEPT:
        return Kept, beside / kept_name()
    path = Path(data.name).expanduser()
    if data.name in sources():
        cls = sources()[data.name]
        if "path" in inspect.signature(cls).parameters:
            raise ValueError(f"data {data.name!r} came; the path of a file or folder is expected in its place.")
        return cls, None
    if path.suffix.lower() in SUFFIXES:
        return Arrays, path
    if path.suffix.lower() in TABLES:
        return Table, path
    if path.suffix.lower() == TEXT:
        return Lines, path
    if path.exists() or "/" in data.name or path.suffix.lower() == ".zip":
        return _folder_of(path, data), path
    known = nearest(data.name, {name: cls.summary for name, cls in sources().items()}, "counterfeit list data")
    raise ValueError(f"data {data.name!r} is neither a source nor a path; {known}")


def _folder_of(path: Path, data: Data) -> type[Source]:
    """The source that reads a folder or zip, by what it holds."""
    if data.pairs != "none":
        return PairedFolder
    if holds_sounds(path):
        return Sounds
    return Videos if data.frames else CaptionedFolder if CaptionedFolder.has_captions(path) else Folder


def _construct(cls: type[Source], path: Path | None, data: Data) -> Source:
    known = [p for p in inspect.signature(cls).parameters if p != "path"]
    every = data.every if data.every > 1 else None
    pairs = None if data.pairs == "none" else data.pairs
    given = {"size": data.size, "span": data.span, "frames": data.frames, "every": every, "pairs": pairs}
    for key in [key for key, value in given.items() if value is not None and key not in known]:
        raise ValueError(f"data.{'range' if key == 'span' else key} came; {data.name} takes none. Leave it out.")
    options = [key for key in known if key not in given]
    for key in data.options:
        if key not in options:
            hint = nearest(key, options) if options else "it has none"
            raise ValueError(f"data.options.{key} is no option of {data.name}; {hint}")
    common = {key: value for key, value in given.items() if value is not None}
    return cls(**({} if path is None else {"path": path}), **common, **data.options)
