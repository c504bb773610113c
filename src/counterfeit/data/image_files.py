"""The pictures, or sounds, of a folder or a zip: names, and the bytes of each. Nothing is ever extracted to disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

from counterfeit.common.files import UNREADABLE, DataError

__all__ = ["Pictures", "find_beside", "find_files", "find_pictures", "is_picture", "named_pictures"]

SUFFIXES = frozenset({
    ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
MAX_BYTES = 1 << 28  # of one picture's file: more is no picture, or a zip that explodes


class Archive:
    """An open zip that threads take turns to read."""

    def __init__(self, path: Path) -> None:
        self.file, self.lock = zipfile.ZipFile(path), Lock()

    def read(self, name: str) -> bytes:
        """The content of one entry."""
        with self.lock:  # a zip's count of its readers loses some between threads, and closes the file too early
            return self.file.read(name)


@lru_cache(maxsize=8)
def _open(path: Path, stamp: int, process: int) -> Archive:
    del stamp, process  # parts of the key: a file may change, and a forked worker must not share its parent's handle
    return Archive(path)


def _archive(path: Path) -> Archive:
    return _open(path, path.stat().st_mtime_ns, os.getpid())


@dataclass(frozen=True)
class Pictures:
    """The picture files of a folder or zip.

    Arguments:
        path: the folder or zip.
        names: their names below it, with forward slashes, sorted.
        lengths: the size of each file in bytes.
        zipped: whether `path` is a zip.
    """

    path: Path
    names: tuple[str, ...]
    lengths: tuple[int, ...]
    zipped: bool

    def where(self, index: int) -> str:
        """What to call picture `index` in a message."""
        return f"{self.path}{'!/' if self.zipped else '/'}{self.names[index]}"

    def read(self, index: int) -> bytes:
        """The content of the file of picture `index`; safe in threads and in forked workers.

        Raises:
            DataError: it cannot be read, or is far too large.
        """
        if self.lengths[index] > MAX_BYTES:
            raise DataError(f"{self.where(index)} has {self.lengths[index]:,} bytes, which is refused. Remove it.")
        name = self.names[index]
        try:
            return _archive(self.path).read(name) if self.zipped else (self.path / name).read_bytes()
        except UNREADABLE as error:
            raise DataError(f"{self.where(index)} cannot be read ({error}). Replace or remove it.") from error


def find_pictures(path: str | Path) -> Pictures:
    """List the pictures of a folder, at any depth, or of a zip.

    Raises:
        DataError: there is no such folder or zip, it cannot be read, or holds no pictures.
    """
    kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    return find_files(path, is_picture, "pictures", f" with files of these kinds: {kinds}")


def named_pictures(path: str | Path) -> Pictures:
    """The picture of that path, or those of that folder or zip.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist. Name a picture, or a folder or zip of pictures.")
    if path.is_file() and path.suffix.lower() != ".zip":
        return Pictures(path.parent, (path.name,), (path.stat().st_size,), False)
    return find_pictures(path)


def find_files(path: str | Path, wanted: Callable[[str], bool], what: str, kinds: str = "") -> Pictures:
    """List the files of a folder, at any depth, or of a zip, whose names are wanted.

    Arguments:
        path: the folder or zip.
        wanted: whether a file of that name, with its folders, is meant; hidden ones never are.
        what: they are, in a message.
        kinds: that are expected, in a message.

    Raises:
        DataError: there is no such folder or zip, it cannot be read, or holds no such files.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist. Give a folder or a zip of {what}.")
    files = _walk(path) if path.is_dir() else _entries(path)
    entries = sorted({name: length for name, length in files if wanted(name) and not _hidden(name)}.items())
    if not entries:
        raise DataError(f"{path} holds no {what}. Give a folder or a zip{kinds or f' of {what}'}.")
    names, lengths = zip(*entries, strict=True)
    return Pictures(path, names, lengths, not path.is_dir())


def find_beside(path: Path, name: str) -> Pictures | None:
    """The one file of that name beside the pictures of a folder or zip, where there is one.

    In a zip it may lie at the root, or in a folder there.

    Raises:
        DataError: the zip cannot be read.
    """
    if path.is_dir():
        file = path / name
        return Pictures(path, (name,), (file.stat().st_size,), False) if file.is_file() else None
    found = [*_entries(path)] if zipfile.is_zipfile(path) else []
    found = [(entry, length) for entry, length in found if entry == name or entry.partition("/")[2] == name]
    if not found:
        return None
    entry, length = min(found, key=lambda one: one[0].count("/"))
    return Pictures(path, (entry,), (length,), True)


def is_picture(name: str) -> bool:
    """Whether a file is one by its name."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _walk(root: Path) -> Iterator[tuple[str, int]]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}). Allow it, or give another folder.")

    seen: set[str] = set()  # linked folders count, but links may lead in circles
    for folder, below, files in os.walk(root, followlinks=True, onerror=refuse):
        seen.add(os.path.realpath(folder))
        below[:] = [name for name in sorted(below) if os.path.realpath(os.path.join(folder, name)) not in seen]
        for file in map(Path(folder).joinpath, files):
            if file.is_file():  # a broken link is none
                yield file.relative_to(root).as_posix(), file.stat().st_size


def _entries(path: Path) -> Iterator[tuple[str, int]]:
    try:
        entries = _archive(path).file.infolist()
    except UNREADABLE as error:
        raise DataError(f"{path} is neither a folder nor a zip ({error}). Give one of the two.") from error
    for entry in entries:
        if entry.filename.startswith("/") or ".." in entry.filename.split("/"):
            raise DataError(f"{path} holds the unsafe name {entry.filename!r}. Pack it with names below its root.")
        if entry.filename and not entry.is_dir():
            yield entry.filename, entry.file_size
