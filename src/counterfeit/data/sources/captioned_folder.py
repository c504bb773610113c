"""A folder or zip of pictures with captions of the user's own, in `captions.jsonl`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from counterfeit.common.file_schemas import PAIR
from counterfeit.common.files import DataError
from counterfeit.common.schema import MisfitError, parse_json
from counterfeit.core import Batch
from counterfeit.data.image_files import find_beside
from counterfeit.data.images import Span
from counterfeit.data.source import Examples
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.in_memory import pick
from counterfeit.data.tokenizer import encode, split, vocabulary

__all__ = ["CAPTIONS", "CaptionedFolder", "read_captions"]

CAPTIONS = "captions.jsonl"


class Told(Examples):
    """Pictures of `examples` at positions `which`, (N,), with captions `y`, (N, length)."""

    def __init__(self, examples: Examples, which: Tensor, y: Tensor) -> None:
        self.examples, self.which, self.y = examples, which, y

    @property
    def streamed(self) -> bool:
        """Whether pictures are decoded when they are drawn."""
        return self.examples.streamed

    def __len__(self) -> int:
        return len(self.which)

    def take(self, index: Tensor) -> Batch:
        """Examples at the positions `index`, int64 (B,)."""
        index = index.to(self.y.device)
        return Batch(self.examples[self.which[index]].x, self.y[index])

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures held in memory."""
        return self.examples.nbytes

    def to(self, device: torch.device | str) -> Told:
        """The same on `device`, where the pictures are held in memory."""
        return Told(self.examples.to(device), self.which.to(device), self.y.to(device))


class CaptionedFolder(Folder):
    """A folder or zip of pictures and `captions.jsonl`, a line {"file": "below/it.png", "caption": "…"} for each.

    A picture may have several captions; those without one are left out. Folders of classes count for nothing.

    Arguments:
        path: the folder or zip.
        size: as for a folder without captions.
        memory: likewise.
        span: likewise.

    Raises:
        DataError: `captions.jsonl` cannot be read, or names a picture that is not there.
    """

    name = "captioned-folder"
    summary = "a folder or zip of pictures with a caption for each in captions.jsonl"

    def __init__(
        self, path: str | Path, size: int | None = None, memory: int = 4 << 30, span: Span | None = None
    ) -> None:
        super().__init__(path, size, memory, span)
        found = find_beside(self.pictures.path, CAPTIONS)
        if found is None:
            raise DataError(f"{path} holds no {CAPTIONS}; a line for each picture is expected. {REMEDY}")
        root = found.names[0].removesuffix(CAPTIONS)
        self.captions = [(root + file, text) for file, text in read_captions(found.read(0), found.where(0))]
        known = {*self.pictures.names}
        for number, (file, _) in enumerate(self.captions, 1):
            if file not in known:
                raise DataError(f"{CAPTIONS}: caption {number} is of {file!r}, which is no picture of {path}. Mend it.")
        silent = len(known) - len({file for file, _ in self.captions})
        self.warning = "; ".join(filter(None, [self.warning, f"{silent} pictures have no caption" if silent else ""]))
        texts = [text for _, text in self.captions]
        length = max(len(split(text)) for text in texts)
        self.class_names = ()
        self.spec = replace(self.spec, classes=0, vocabulary=vocabulary(texts), max_tokens=length)

    @classmethod
    def has_captions(cls, path: Path) -> bool:
        """Whether there are captions in the folder or zip `path`."""
        return find_beside(path, CAPTIONS) is not None

    def split(self, name: str) -> Examples:
        """The examples of the split "train", "valid" or "test": one for each caption."""
        pictures = super().split(name)
        place = {self.pictures.names[i]: at for at, i in enumerate(pick(self.layout.splits, name))}
        rows = [row for row, (file, _) in enumerate(self.captions) if file in place]
        if not rows:
            raise DataError(f"no picture of the split {name} of {self.pictures.path} has a caption. Write some.")
        return Told(pictures, torch.tensor([place[self.captions[row][0]] for row in rows]), self._tokens[rows])

    @cached_property
    def _tokens(self) -> Tensor:
        return encode([text for _, text in self.captions], self.spec.vocabulary, self.spec.max_tokens)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of names, of the files' content, of the shape they are decoded to and of captions."""
        return hashlib.sha256(repr((super().fingerprint, self.captions)).encode()).hexdigest()[:16]


def read_captions(content: bytes, who: str) -> list[tuple[str, str]]:
    """The (file, caption) pairs in JSON lines, the content of the file `who`.

    Raises:
        DataError: a line that is no such pair, or a caption without a word.
    """
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{who} cannot be read ({error}). Save it as UTF-8 text.") from None
    found = list(_pairs(who, lines))
    if not found:
        raise DataError(f"{who} holds no captions; a line for each picture is expected. {REMEDY}")
    return found


def _pairs(who: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line, PAIR)
        except MisfitError as error:
            raise DataError(f"{who}, line {number}: {error}. {REMEDY}") from None
        if not split(entry["caption"]):
            raise DataError(f"{who}, line {number} holds a caption without a word. {REMEDY}")
        yield entry["file"], entry["caption"]


REMEDY = 'Write {"file": "cat.png", "caption": "a cat"}.'
