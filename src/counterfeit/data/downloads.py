"""Where files of data sets are found: a folder of the user's, the cache, or the network.

`COUNTERFEIT_DATA` names a folder that is searched first, with its subfolders two levels deep; `COUNTERFEIT_CACHE` moves
the cache, where downloads are kept. A file counts only if its content is the expected one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from counterfeit.common.files import UNREADABLE, DataError, atomic
from counterfeit.common.progress import Bar

__all__ = [
    "File", "Found", "cache_dir", "content_hash", "find", "keep_arrays", "load_arrays", "local", "locate", "memo",
    "sealed", "sound", "store", "unsealed",
]  # fmt: skip

Arrays = Mapping[str, np.ndarray]

SEAL = "seal"  # of what `memo` keeps


class Found(NamedTuple):
    """The decompressed content of a file, where it lies, and whether a checksum confirmed it."""

    data: bytes
    path: Path
    verified: bool


@dataclass(frozen=True)
class File:
    """A file that a source needs.

    Arguments:
        name: as it is called wherever it lies.
        digests: MD5 or SHA-256 of its content, any of which will do; where there are none, so will any content.
        urls: where to download it, the first choice first.
        remedy: what a person can do where it is not found; downloading it by hand where empty.
    """

    name: str
    digests: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    remedy: str = ""

    def content(self, raw: bytes) -> bytes | None:
        """The content of `raw`, decompressed where the file is a lone .gz; None unless it is the expected one."""
        lone = self.name.endswith(".gz") and not self.name.endswith(".tar.gz")
        try:
            data = gzip.decompress(raw) if lone and raw.startswith(b"\x1f\x8b") else raw
        except (OSError, EOFError, zlib.error):
            return None
        hashes = {32: hashlib.md5, 64: hashlib.sha256}
        accepted = not self.digests or any(hashes[len(d)](data).hexdigest() == d for d in self.digests)
        return data if accepted else None


def cache_dir() -> Path:
    """The folder that keeps downloads: `COUNTERFEIT_CACHE`, or the platform's place for caches."""
    if chosen := os.environ.get("COUNTERFEIT_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "counterfeit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "counterfeit" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterfeit"


def locate(name: str) -> Iterator[Path]:
    """Yield the files called `name` in `COUNTERFEIT_DATA`, its subfolders, and the cache, in this order."""
    roots = [Path(chosen).expanduser()] if (chosen := os.environ.get("COUNTERFEIT_DATA")) else []
    for root in [*roots, cache_dir()]:
        for pattern in (name, f"*/{name}", f"*/*/{name}"):
            yield from (path for path in sorted(root.glob(pattern)) if path.is_file())


def local(file: File) -> Found | None:
    """Find `file` on this machine, with the expected content."""
    for path in locate(file.name):
        with suppress(OSError):  # unreadable: another copy may do, and `find` names this one
            if (data := file.content(path.read_bytes())) is not None:
                return Found(data, path, bool(file.digests))
    return None


def find(file: File, who: str, keep: bool = True) -> Found:
    """Find `file` on this machine, or download it from the first of its mirrors that has the expected content.

    Arguments:
        file: what is needed.
        who: the source that needs it, for messages.
        keep: keep a download in the cache.

    Raises:
        DataError: it is neither here nor to be had; says where it was looked for and what to do.
    """
    if found := local(file):
        return found
    failures = []
    for url in file.urls:
        raw, failure = _download(url, f"{who}: {file.name}")
        data = None if failure else file.content(raw)
        if data is not None:
            path = cache_dir() / file.name
            if keep:
                store(path, partial(_write, raw=raw))
            return Found(data, path, bool(file.digests))
        failures.append(f"{url} ({failure or 'not the expected content'})")
    raise DataError(_missing(file, who, failures))


def load_arrays(path: Path) -> Arrays | None:
    """The arrays of a .npz file, or None where it is absent or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except UNREADABLE:
        return None
    return found if all(map(sound, found.values())) else None


def sound(array: object) -> bool:
    """Whether what `np.load` gave is an array, and its texts hold characters that there are: it checks neither."""
    if not isinstance(array, np.ndarray):
        return False
    if array.dtype.kind != "U" or not array.nbytes:
        return True
    codes = np.ascontiguousarray(array).reshape(-1).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    return int(codes.max()) <= sys.maxunicode


def keep_arrays(name: str, arrays: Arrays) -> None:
    """Keep arrays in the cache as the .npz file `name`."""

    def write(part: Path) -> None:
        with part.open("wb") as file:  # a path would be given the suffix .npz
            np.savez(file, **arrays)  # type: ignore[arg-type]

    store(cache_dir() / name, write)


def memo(key: str, compute: Callable[[], Arrays]) -> Arrays:
    """The arrays that the cache keeps under `key`, which names their content; computed where it has them not whole."""
    held = unsealed(load_arrays(cache_dir() / f"{key}.npz") or {})
    if held is None:
        held = compute()
        keep_arrays(f"{key}.npz", sealed(held))
    return held


def sealed(arrays: Arrays) -> Arrays:
    """Arrays with their hash, so that `unsealed` knows whether they are all there, as they were."""
    return {**arrays, SEAL: np.array(content_hash(arrays))}


def unsealed(held: Arrays) -> Arrays | None:
    """What was sealed; None where anything else came back."""
    arrays = {name: array for name, array in held.items() if name != SEAL}
    return arrays if SEAL in held and str(held[SEAL]) == content_hash(arrays) else None


def content_hash(arrays: Arrays) -> str:
    """A hash of names, types, shapes and values."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _write(part: Path, raw: bytes) -> None:
    part.write_bytes(raw)


def store(path: Path, write: Callable[[Path], object]) -> None:
    """Keep a file in the cache, whole or not at all; where that cannot be, one line says so and work goes on."""
    try:
        with atomic(path) as part:
            write(part)
    except OSError as error:  # a cache that cannot be written costs time, not the result
        _tell(path.parent, error.strerror or str(error))


@cache
def _tell(folder: Path, reason: str) -> None:
    """One line for a person, once."""
    text = f"nothing can be kept in the cache {folder} ({reason.lower()}), so it is made again each time"
    print(f"note: {text}; COUNTERFEIT_CACHE names another folder", file=sys.stderr)


def _download(url: str, what: str) -> tuple[bytes, str]:
    from pooch import HTTPDownloader

    buffer = io.BytesIO()
    try:
        with Bar(what, unit="bytes") as bar:
            HTTPDownloader(progressbar=bar, chunk_size=1 << 16)(url, buffer, None)
    except OSError as error:  # the base of every error of requests
        response = getattr(error, "response", None)
        return b"", type(error).__name__ if response is None else f"HTTP {response.status_code}"
    return buffer.getvalue(), ""


def _missing(file: File, who: str, failures: list[str]) -> str:
    data = os.environ.get("COUNTERFEIT_DATA")
    places = f"{f'COUNTERFEIT_DATA ({data})' if data else 'COUNTERFEIT_DATA (not set)'} or the cache ({cache_dir()})"
    damaged = "".join(f"; {path} does not hold the expected content" for path in locate(file.name))
    tried = f"; downloads failed: {', '.join(failures)}" if failures else ""
    by_hand = f"Download {file.urls[0]} by hand into a folder" if file.urls else f"Put {file.name} into a folder"
    remedy = file.remedy or f"{by_hand} and set COUNTERFEIT_DATA to that folder."
    return f"{who} needs {file.name}, which is not in {places}{damaged}{tried}. {remedy}"
