"""What samples are asked to show: classes by name or number, captions, or series."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.core import Spec, check_series
from counterfeit.data.selection import evenly_spaced
from counterfeit.data.source import Source
from counterfeit.data.tokenizer import caption, encode

__all__ = ["RequestedRows", "arranged", "captions_in_rows", "conditions"]

COLUMNS = 8  # samples of a caption that nobody asked for


class RequestedRows(NamedTuple):
    """What samples are asked to be of, in rows.

    Arguments:
        asked: labels (n,) or captions (n, length), row after row.
        texts: what each row is of.
        counts: how many samples each row has.
    """

    asked: Tensor
    texts: list[str]
    counts: list[int]


def conditions(asked: Any, n: int, source: Source, labels: int) -> Tensor | None:
    """What `n` samples are to be of, as a model's `sample` takes it.

    Arguments:
        asked: None; a class, by name or number, or a caption, for all; or as many of these as there are samples, in a
            list, an array or a tensor; or a series, (channels, frames), for all, or one each.
        n: how many samples.
        source: the data, which know the names of classes or the words of captions.
        labels: how many labels the model can be asked for: the data's classes, or categories that have no names.

    Returns:
        int64 (n,) of labels, or (n, length) of tokens, or float32 (n, channels, frames); None where nothing is asked.

    Raises:
        ValueError: the model takes no labels, there is no such class, or their number is not n.

    Example:
        >>> from counterfeit.data.sources.digits import Digits
        >>> conditions(["seven", 7, "7"][1:], 2, Digits(), 10)
        tensor([7, 7])
    """
    if asked is None:
        return None
    spec = source.spec
    if spec.series and not isinstance(asked, (str, int, np.integer)):
        return _series(asked, n, spec)
    if not labels and not spec.captioned:
        raise ValueError(f"{asked!r} was asked for; the model samples without labels. Leave it out, or train `cgan`.")
    if isinstance(asked, (str, int, np.integer)):
        asked = [asked] * n
    if spec.captioned and all(isinstance(one, str) for one in asked):
        rows = encode([*asked], spec.vocabulary, spec.max_tokens)
    elif isinstance(asked, (Tensor, np.ndarray)):
        rows = torch.as_tensor(asked)
    else:
        rows = torch.tensor([_label(one, source, labels) for one in asked])
    if len(rows) != n:
        raise ValueError(f"{len(rows)} labels came for {n} samples; one each is expected. Ask for n={len(rows)}.")
    return rows


def arranged(n: int, labels: int) -> Tensor:
    """Labels of about `n` samples in rows, one label a row: int64 (rows, columns).

    All labels where at least two samples of each fit, otherwise as many, evenly spread, as make the grid square.

    Example:
        >>> arranged(6, 3).tolist()
        [[0, 0], [1, 1], [2, 2]]
    """
    rows = labels if 2 * labels <= n else max(1, min(labels, int(n**0.5)))
    return (torch.arange(rows) * labels // rows)[:, None].expand(-1, max(1, n // rows))


def captions_in_rows(source: Source, split: str, n: int, columns: int = COLUMNS) -> RequestedRows:
    """Captions of a split for `n` samples, evenly spread, in rows of so many `columns` at most.

    Raises:
        ValueError: where there are none.
    """
    y = evenly_spaced(source, split, -(-n // columns)).y
    if y is None:
        raise ValueError(f"{source.name} has no captions; some are expected. Ask for one: --caption.")
    counts = [min(columns, n - start) for start in range(0, columns * len(y), columns)]
    texts = [caption(row, source.spec.vocabulary) for row in y]
    return RequestedRows(y.repeat_interleave(torch.tensor(counts), 0), texts, counts)


def _series(asked: Any, n: int, spec: Spec) -> Tensor:
    y = torch.as_tensor(np.asarray(asked), dtype=torch.float32)
    return check_series(y.expand(n, *y.shape) if y.shape == spec.series else y, n, spec)


def _label(one: Any, source: Source, labels: int) -> int:
    spec: Spec = source.spec
    if spec.classes == labels:
        return source.label(str(one))
    if not str(one).isdecimal() or int(one) >= labels:
        raise ValueError(f"category {one!r} came; a number from 0 to {labels - 1} is expected. Choose another.")
    return int(one)
