"""Arrays: in a .npy or .npz file, and in Python arrays, tensors and torch `Dataset`s.

A row is one example: images (N, C, H, W), with channels last (N, H, W, C), gray ones without a channel (N, H, W);
videos (N, T, C, H, W) or (N, T, H, W, C); points (N, D) or (N,). Images are integers from 0 to 255, or floats in
[0, 1]; where there are only zeros and ones they are binary. Other ranges are named: `--data.range LOW,HIGH`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import UNREADABLE, DataError
from counterfeit.common.progress import Bar
from counterfeit.core import Kind, Spec
from counterfeit.data.downloads import sound
from counterfeit.data.folder_layout import deal, shuffled
from counterfeit.data.images import Span, to_unit
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick, resized

__all__ = ["SUFFIXES", "Arrays", "adopt", "as_rows", "chosen_arrays", "read_arrays"]

SUFFIXES = frozenset({".npy", ".npz"})
MEMORY = 4 << 30  # bytes that the arrays of a file may unpack to
X_NAMES, Y_NAMES = ("x", "images", "data", "samples", "arr_0"), ("y", "labels", "targets", "arr_1")
EPSILON = 1e-6  # beyond [0, 1] by rounding


class ArrayRows(NamedTuple):
    """Examples (N, *shape), uint8 or float32, what kind they are, and the value that stands for 1."""

    x: np.ndarray
    kind: Kind
    scale: float = 1.0


class Arrays(Source):
    """Examples, and labels where there are any, in a .npy or .npz file.

    In a .npz, the examples are called x, images, data, samples or arr_0, their labels y, labels, targets or arr_1; or
    the splits are there by name, x_train, y_train, x_valid, x_test, …. Splits that are missing are taken from training,
    as for folders.

    Arguments:
        path: the file; or arrays by these names.
        size: the central square of each image is resized, antialiased, to `size` x `size` pixels of 8 bits.
        span: the values that are black and white. Where None, 0 and 255 (of 16-bit integers 65535), of floats 0 and 1.

    Raises:
        DataError: the file cannot be read, or holds no rows that are examples, in the layouts above.

    Example:
        >>> source = Arrays({"x": np.zeros((50, 8, 8, 3), np.uint8), "y": np.arange(50) % 2})
        >>> source.spec.shape, source.class_names, source.sizes["train"]
        ((3, 8, 8), ('0', '1'), 46)
    """

    name = "arrays"
    summary = "a .npy or .npz file of images, points or videos, with labels where there are any"

    def __init__(self, path: str | Path | Mapping[str, Any], size: int | None = None, span: Span | None = None) -> None:
        held = path if isinstance(path, Mapping) else read_arrays(Path(path))
        who = "the data" if isinstance(path, Mapping) else str(path)
        given = _splits(held, who)
        self.span = span
        rows = _rows(given, who, span)
        labels, self.class_names = _labels({name: y for name, (_, y) in given.items()}, rows, who)
        examples = {name: _memory(row, labels.get(name)) for name, row in rows.items()}
        if size is not None:
            _check_pictures(next(iter(rows.values())).x.shape[1:], who)
            examples = {name: resized(one, size) for name, one in examples.items()}
        first = next(iter(rows.values()))
        shape = tuple(next(iter(examples.values())).x.shape[1:])
        self.spec = Spec(shape, first.kind if size is None else "image", len(self.class_names))
        self._held, self.warning = _dealt(examples, self.class_names)
        self.warning = "; ".join(filter(None, [self.warning, _dark(first, given["train"][0], span)]))

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._held, name)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the content."""
        return super().fingerprint


def _check_pictures(shape: Sequence[int], who: str) -> None:
    """Raise a DataError unless examples are pictures, which can be resized."""
    if len(shape) != 3:
        raise DataError(
            f"data.size came; {who} holds examples of shape {tuple(shape)}, pictures are expected. Leave it out, or "
            "undo what the recipe says: --data.size null."
        )


def adopt(data: Any, size: int | None = None, span: Span | None = None) -> Source:
    """What somebody hands over in Python, as a source.

    Arguments:
        data: a source; an array or a tensor of examples; a pair of these and labels; a mapping of names, as in a .npz,
            to arrays; or a torch `Dataset` whose items are examples, or pairs of an example and its label.
        size: as for `Arrays`.
        span: likewise.

    Raises:
        ValueError: it is none of these, or holds no examples.

    Example:
        >>> adopt((torch.rand(30, 1, 8, 8), [0, 1, 2] * 10)).spec.classes
        3
    """
    if isinstance(data, Source):
        if size not in (None, *data.spec.shape[-1:]) or span not in (None, data.span):
            raise ValueError(f"data.size or data.range came beside {data.name}. Give it to the source itself.")
        return data
    return Arrays(_named(data), size, span)


def _named(data: Any) -> Mapping[str, np.ndarray]:
    """Arrays by the names that a .npz would have."""
    if isinstance(data, Mapping):
        return {str(key): _array(value) for key, value in data.items()}
    if isinstance(data, (np.ndarray, Tensor)):
        return {"x": _array(data)}
    if isinstance(data, tuple) and len(data) == 2:
        return {"x": _array(data[0]), "y": _array(data[1])}
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and len(data) and not isinstance(data, (str, bytes)):
        return _collected(data)
    raise ValueError(
        f"data of type {type(data).__name__} came; a source or its name, a path, an array, a tensor, a pair of "
        "examples and labels, or a torch Dataset is expected. Convert it."
    )


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a file, by name; that of a .npy, which stays in its file, is called x.

    Raises:
        DataError: it cannot be read, or holds objects, which are never loaded.
    """
    try:
        found = _loaded(path)
    except DataError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        if not path.exists():
            raise DataError(f"{path} does not exist. Give a file that is there.") from None
        if "pickle" in reason or "Python objects" in reason:  # what numpy advises would run code from the file
            reason = "it holds no numbers; objects are never loaded"
        raise DataError(f"{path} is no array file ({reason}). Save numbers with `numpy.save` or `savez`.") from None
    if not all(map(sound, found.values())):
        raise DataError(f"{path} is no array file. Save numbers with `numpy.save` or `savez`.")
    return found


def _loaded(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npy":
        return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MEMORY:
        raise DataError(f"{path} unpacks to {size:,} bytes; {MEMORY:,} are the most. Save it as a .npy.")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def chosen_arrays(held: Mapping[str, np.ndarray], who: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Examples, and their labels where there are any, among arrays by name.

    Raises:
        DataError: none of them has a name that says it holds the examples, and there are several.
    """
    x = next((name for name in X_NAMES if name in held), None)
    y = next((name for name in Y_NAMES if name in held), None)
    if x is None and len(held) == 1:
        x = next(iter(held))
    if x is None:
        known = ", ".join(held) or "nothing"
        raise DataError(f"{who} holds {known}; one array is expected. Call the samples `x`, and their labels `y`.")
    return held[x], None if y is None else held[y]


Pair = tuple[np.ndarray, np.ndarray | None]


def _splits(held: Mapping[str, np.ndarray], who: str) -> dict[str, Pair]:
    if "x_train" not in held:
        return {"train": chosen_arrays(held, who)}
    return {name: (held[f"x_{name}"], held.get(f"y_{name}")) for name in SPLITS if f"x_{name}" in held}


def _rows(given: Mapping[str, Pair], who: str, span: Span | None) -> dict[str, ArrayRows]:
    """Rows of every split, of one kind and shape."""
    rows = {name: as_rows(x, who, span) for name, (x, _) in given.items()}
    kinds = [row.kind for row in rows.values()]
    if len({row.x.shape[1:] for row in rows.values()}) > 1:
        came = ", ".join(f"{name} {row.x.shape[1:]}" for name, row in rows.items())
        raise DataError(f"{who} holds examples of different shapes: {came}. Make them alike.")
    if len({*kinds}) > 1 or len({row.scale for row in rows.values()}) > 1:  # a split that happens to be 0 and 1
        rows = {name: as_rows(x, who, span, binary=False) for name, (x, _) in given.items()}
    return rows


def as_rows(x: np.ndarray, who: str, span: Span | None = None, binary: bool = True) -> ArrayRows:
    """An array as examples.

    Arguments:
        x: in one of the layouts above.
        who: its name, for messages.
        span: the values that are black and white, where they were said.
        binary: whether zeros and ones alone are binary images.

    Raises:
        DataError: no rows, no numbers, values that are not finite or out of range, or no layout that is known.
    """
    if x.ndim == 0 or not len(x) or not x.size:
        raise DataError(f"{who} holds no rows; an array of examples is expected. Save at least one.")
    if x.dtype.kind not in "fiub":
        raise DataError(f"{who} has dtype {x.dtype}; integers or floats are expected. Convert it with `astype`.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DataError(f"{who} holds values that are not finite. Clean the data first.")
    if x.ndim <= 2:
        return ArrayRows(np.asarray(x, np.float32).reshape(len(x), -1), "real")
    x = _channels_first(x, who)
    if span is not None:
        return ArrayRows(to_unit(x, span), "image")
    low, high = x.min(), x.max()
    if binary and low >= 0 and high <= 1 and bool(((x == 0) | (x == 1)).all()):
        return ArrayRows(x.astype(np.uint8), "binary")
    return _shades(x, low, high, who)


def _shades(x: np.ndarray, low: Any, high: Any, who: str) -> ArrayRows:
    if x.dtype == np.uint16:
        return ArrayRows((x // 257).astype(np.uint8), "image", 255.0)
    if x.dtype.kind in "iub" and low >= 0 and high <= 255:
        return ArrayRows(x.astype(np.uint8), "image", 255.0)
    if x.dtype.kind == "f" and low >= -EPSILON and high <= 1 + EPSILON:
        return ArrayRows(np.asarray(x, np.float32).clip(0, 1), "image")
    raise DataError(
        f"{who} holds images with values from {low:g} to {high:g}; integers from 0 to 255 or floats in [0, 1] are "
        f"expected. Say what is black and white: --data.range {low:g},{high:g}, or divide them."
    )


def _channels_first(x: np.ndarray, who: str) -> np.ndarray:
    """Images as (N, C, H, W), videos as (N, T, C, H, W)."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim in (4, 5) and x.shape[-3] in (1, 3):
        return x
    if x.ndim in (4, 5) and x.shape[-1] in (1, 3):
        return np.moveaxis(x, -1, -3)
    shape = f"({', '.join(map(str, x.shape))})"
    raise DataError(
        f"{who} has shape {shape}; (N, C, H, W), (N, H, W, C) or (N, H, W) with one or three channels is expected, or "
        "(N, D). Move or drop axes."
    )


def _labels(
    ys: Mapping[str, np.ndarray | None], rows: Mapping[str, ArrayRows], who: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The labels of each split, int64 (N,), and the names of classes; nothing where not every split has labels."""
    if any(y is None for y in ys.values()):
        return {}, ()
    flat = {name: _flat(np.asarray(y), len(rows[name].x), who) for name, y in ys.items()}
    classes = np.unique(np.concatenate([*flat.values()]))
    if len(classes) < 2:
        return {}, ()
    found = {name: torch.from_numpy(np.searchsorted(classes, y).astype(np.int64)) for name, y in flat.items()}
    return found, tuple(map(str, classes.tolist()))


def _flat(y: np.ndarray, count: int, who: str) -> np.ndarray:
    """Labels (N,) of whole numbers or texts; of one-hot rows, the places of the ones."""
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "iufb" and bool(((y == 0) | (y == 1)).all()):
        y = y.argmax(1) if bool((y.sum(1) == 1).all()) else y
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    whole = y.dtype.kind in "iubUS" or (y.dtype.kind == "f" and bool((y == np.rint(y)).all()))
    if y.shape != (count,) or not whole:
        raise DataError(
            f"{who} has labels of shape {y.shape}, dtype {y.dtype}, for {count} examples; ({count},) integers or names "
            "are expected. Correct them."
        )
    return y.astype(str) if y.dtype.kind in "US" else y.astype(np.int64)


def _memory(rows: ArrayRows, y: Tensor | None) -> InMemory:
    return InMemory(torch.from_numpy(np.ascontiguousarray(rows.x)), y, rows.scale)


def _dealt(examples: Mapping[str, InMemory], classes: Sequence[str]) -> tuple[dict[str, InMemory], str]:
    """All three splits: those that are missing are taken from the training examples."""
    train = examples["train"]
    order = shuffled([str(i) for i in range(len(train))], range(len(train)))
    given = {name: tuple(range(len(examples[name]))) if name in examples else () for name in ("valid", "test")}
    labels = None if train.y is None else train.y.tolist()
    places, warning = deal({"train": order, **given}, labels, classes)
    splits = dict(examples)
    if len(examples) < len(SPLITS):
        for name in SPLITS:
            if name == "train" or name not in examples:
                index = torch.tensor(places[name], dtype=torch.int64)
                splits[name] = InMemory(train.x[index], None if train.y is None else train.y[index], train.scale)
    return splits, warning


def _dark(rows: ArrayRows, x: np.ndarray, span: Span | None) -> str:
    """What to say where no image is brighter than a quarter of what its type can hold."""
    if span is not None or rows.kind != "image" or rows.scale != 255.0 or rows.x.max() >= 64:
        return ""
    full = 65535 if x.dtype == np.uint16 else 255
    return f"the brightest value is {x.max()} of {full}, so images are nearly black: name white, --data.range 0,HIGH"


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _collected(data: Any) -> dict[str, np.ndarray]:
    """All items of a `Dataset`, one after the other."""
    x, y = [], []
    with Bar("reading the data", len(data)) as bar:
        for index in range(len(data)):
            item = data[index]
            one, label = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, None)
            x.append(_array(one))
            y.append(label)
            bar.update(1)
    if len({row.shape for row in x}) > 1:
        raise DataError("the data hold examples of different shapes. Make them alike, or name a folder of pictures.")
    stacked = np.stack(x)
    if stacked.ndim == 4 and _pictures(data[0]):
        stacked = stacked if stacked.shape[-1] != 4 else stacked[..., :3]
    return {"x": stacked} if any(label is None for label in y) else {"x": stacked, "y": np.asarray(_plain(y))}


def _pictures(item: Any) -> bool:
    from PIL import Image

    return isinstance(item[0] if isinstance(item, (tuple, list)) else item, Image.Image)


def _plain(labels: Sequence[Any]) -> list[Any]:
    return [label.tolist() if isinstance(label, Tensor) else label for label in labels]
