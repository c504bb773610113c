"""JSON that every program reads: JSON knows no NaN and no infinity, so null stands in their place."""

from __future__ import annotations

import json
import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["UNREADABLE", "DataError", "atomic", "dumps", "finite", "read_text", "write_json", "write_text"]


def finite(content: Any) -> Any:
    """`content` of mappings, sequences, numbers and texts, with None in the place of every number that is not finite.

    Example:
        >>> finite({"loss": [1.0, float("nan")]})
        {'loss': [1.0, None]}
    """
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    return [finite(value) for value in content] if isinstance(content, list | tuple) else content


def dumps(content: Any, indent: int | None = None) -> str:
    """`content` as JSON, with null in the place of every number that is not finite.

    Example:
        >>> dumps({"loss": float("inf")})
        '{"loss": null}'
    """
    return json.dumps(finite(content), indent=indent, allow_nan=False)


UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, AttributeError, TypeError, RuntimeError, MemoryError, ArithmeticError,
    SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip
"""What readers of damaged files raise, of which none says so: headers may hold anything."""


class DataError(ValueError):
    """Data are missing, unreadable or not what they should be."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it once the block ends well, and is removed where it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text whole or not at all.

    Raises:
        OSError: where it cannot be written, in one line.
    """
    try:
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(f"{path} could not be written ({error.strerror}). Make room, or make it writable.") from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, dumps(content, indent=1) + "\n")


def read_text(path: Path) -> str:
    """The text of a file that a person brought.

    Raises:
        DataError: it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(f"{path} cannot be read: {reason}. Save it as UTF-8.") from None
