"""Tables: rows of numbers and of categories under named columns, in a .csv, .tsv or .parquet file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from counterfeit.common.files import DataError, atomic, read_text
from counterfeit.common.spelling import nearest
from counterfeit.core import Spec
from counterfeit.data.folder_layout import deal, shuffled
from counterfeit.data.source import SPLITS, InMemory, Source
from counterfeit.data.sources.in_memory import pick

__all__ = ["TABLES", "Column", "Table", "read_table", "write_table"]

TABLES = frozenset({".csv", ".tsv", ".parquet"})
GAPS = frozenset({"", "na", "n/a", "nan", "none", "null", "?"})  # what stands where a value is missing
CATEGORIES = 100  # of a column, at most
Missing = Literal["refuse", "drop", "fill"]
Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Column:
    """A column as values of an example: one where it is real, one for each category elsewhere.

    Arguments:
        name: of the column.
        categories: in order; none where the column is real.
    """

    name: str
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many values an example has of it."""
        return len(self.categories) or 1

    @property
    def value_names(self) -> list[str]:
        """What each of its values is called."""
        return [f"{self.name}={category}" for category in self.categories] or [self.name]

    def encode(self, cells: Sequence[str], who: str) -> np.ndarray:
        """Texts as values, float32 (N, width).

        Raises:
            DataError: a text is no number of a real column, or no category that training has.
        """
        if not self.categories:
            return np.array([_finite(cell, self.name, who) for cell in cells], np.float32)[:, None]
        known = {category: i for i, category in enumerate(self.categories)}
        unknown = next((cell for cell in cells if cell not in known), None)
        if unknown is not None:
            some = ", ".join(self.categories[:8])
            raise DataError(f"{who}: {unknown!r} is no category of column {self.name!r}; it has {some}. Correct it.")
        return np.eye(len(known), dtype=np.float32)[[known[cell] for cell in cells]]

    def decode(self, x: np.ndarray) -> list[Any]:
        """Values (N, width) as numbers, or as the categories whose values are the highest."""
        if self.categories:
            return [self.categories[i] for i in x.argmax(1)]
        return [float(f"{value:.7g}") for value in x[:, 0].tolist()]  # all the digits that float32 has


class Table(Source):
    """Rows of a table: real columns as they are, and categories as values of 0 and 1, one for each.

    A column is real where all its cells are numbers. Its first line names the columns, unless it holds numbers alone.

    Arguments:
        path: a .csv or .tsv, whose columns commas, semicolons or tabs separate, or .parquet; or columns by name.
        columns: those that are taken, in this order; all where none are named.
        label: the column of classes, which then is no value of an example.
        categorical: columns of numbers that are categories.
        missing: what happens to rows with gaps: refuse them all, drop such rows, or fill gaps with the mean of the
            column, or its most frequent category.
        split: the column that says train, valid or test.
        seed: of the splits, where no column says them.

    Raises:
        DataError: the file cannot be read, is no table, has gaps that nobody spoke of, or too many categories.

    Example:
        >>> table = Table({"x": ["1", "2"] * 20, "kind": ["a", "b"] * 20})
        >>> table.spec.shape, table.value_names
        ((3,), ['x', 'kind=a', 'kind=b'])
    """

    name = "table"
    summary = "a .csv, .tsv or .parquet file: a row is an example, of real and of categorical columns"
    expected_transforms = ("standardize",)

    def __init__(
        self, path: str | Path | Columns, columns: Sequence[str] = (), label: str | None = None,
        categorical: Sequence[str] = (), missing: Missing = "refuse", split: str | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        columns, categorical = _listed(columns), _listed(categorical)
        who = "the table" if isinstance(path, Mapping) else str(path)
        held = {name: [*cells] for name, cells in (path if isinstance(path, Mapping) else read_table(path)).items()}
        if missing not in get_args(Missing):
            raise DataError(f"data.options.missing {missing!r} came; {', '.join(get_args(Missing))} are expected.")
        for name in (*columns, *categorical, *filter(None, (label, split))):
            if name not in held:
                raise DataError(f"{who} has no column {name!r}; {nearest(name, list(held))}")
        taken = [name for name in columns or held if name not in (label, split)]
        if not taken:
            raise DataError(
                f"{who} has no column of values; one at least is expected. Name it in data.options.columns."
            )
        self._who = who
        held = _without_gaps(held, [*taken, *filter(None, (label, split))], who, missing)
        self.columns = [_column(name, held[name], name in categorical, who) for name in taken]
        self.value_names = [name for column in self.columns for name in column.value_names]
        x, y, self.class_names = self.encode(held), None, ()
        if label is not None:
            self.class_names = tuple(sorted({*held[label]}))
            y = [self.class_names.index(cell) for cell in held[label]]
        places, self.warning = _places(held, split, y, self.class_names, seed, who)
        labels = None if y is None else torch.tensor(y)
        at = {name: torch.tensor(places[name], dtype=torch.int64) for name in SPLITS}
        self._held = {name: InMemory(x[i], None if labels is None else labels[i]) for name, i in at.items()}
        self.spec = Spec((x.shape[1],), "real", len(self.class_names) if len(self.class_names) > 1 else 0)

    def split(self, name: str) -> InMemory:
        """The examples of the split "train", "valid" or "test"."""
        return pick(self._held, name)

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of the content."""
        return super().fingerprint

    @property
    def constant(self) -> list[str]:
        """Columns that never change in training."""
        x, start, found = self._held["train"].x, 0, []
        for column in self.columns:
            if bool((x[:, start : start + column.width] == x[0, start : start + column.width]).all()):
                found.append(column.name)
            start += column.width
        return found

    def encode(self, held: Columns) -> Tensor:
        """Rows of another table with these columns as examples, float32 (N, D).

        Raises:
            DataError: a column is missing, or one of its cells is no value that it can have.
        """
        for column in self.columns:
            if column.name not in held:
                raise DataError(f"{self._who} has column {column.name!r}, which is missing. Name the columns alike.")
        filled = _without_gaps(held, [column.name for column in self.columns], self._who, "refuse")
        return torch.from_numpy(np.concatenate([c.encode(filled[c.name], self._who) for c in self.columns], 1))

    def decode(self, x: Tensor) -> dict[str, list[Any]]:
        """Examples (N, D) as columns by name: numbers, and the categories whose values are the highest."""
        self.spec.check(x, self.name)
        parts = x.cpu().numpy().astype(np.float32)
        ends = np.cumsum([0, *(column.width for column in self.columns)])
        return {c.name: c.decode(parts[:, ends[i] : ends[i + 1]]) for i, c in enumerate(self.columns)}


def read_table(path: str | Path) -> dict[str, list[str]]:
    """The columns of a file, by name, as texts; gaps are empty.

    Raises:
        DataError: it cannot be read, or is no table.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"{path} is no file. Give a .csv, .tsv or .parquet that is there.")
    return _parquet(path) if path.suffix.lower() == ".parquet" else _delimited(path)


def write_table(columns: Mapping[str, Sequence[Any]], path: Path) -> None:
    """Write columns by name to a .csv, .tsv or .parquet."""
    with atomic(path) as part:
        if path.suffix.lower() == ".parquet":
            arrow, parquet = _arrow(path)
            parquet.write_table(arrow.table({name: [*cells] for name, cells in columns.items()}), part)
            return
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))


def _delimited(path: Path) -> dict[str, list[str]]:
    text = read_text(path)
    first = text.partition("\n")[0]
    comma = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=comma, strict=True) if row]
    except csv.Error as error:
        raise DataError(f"{path} is no table ({error}). Correct its quotes.") from None
    if not rows:
        raise DataError(f"{path} is empty; a line of names and rows are expected. Fill it.")
    bad = next((i for i, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if bad is not None:
        came = len(rows[bad - 1])
        raise DataError(f"{path}: row {bad} has {came} cells; {len(rows[0])} are expected, as in row 1. Correct it.")
    if all(_number(cell) is not None for cell in rows[0]):  # numbers alone: nobody named the columns
        rows = [[f"x{i + 1}" for i in range(len(rows[0]))], *rows]
    names = [name.strip() for name in rows[0]]
    return _named(names, [[cell.strip() for cell in cells] for cells in zip(*rows[1:], strict=True)], path)


def _parquet(path: Path) -> dict[str, list[str]]:
    arrow, parquet = _arrow(path)
    try:
        found = parquet.read_table(path).to_pydict()
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path} is no Parquet file ({' '.join(str(error).split())}). Save it again.") from None
    texts = [["" if cell is None else str(cell) for cell in cells] for cells in found.values()]
    return _named([*found], texts, path)


def _arrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        reason = "needs pyarrow, which is not installed"
        raise DataError(f"{path} {reason}. Run `pip install pyarrow`, or save it as a .csv.") from None
    return arrow, parquet


def _named(names: Sequence[str], cells: Sequence[list[str]], path: Path) -> dict[str, list[str]]:
    twice = [name for name, count in Counter(names).items() if count > 1 or not name]
    if twice:
        what = f"two columns called {twice[0]!r}" if twice[0] else "a column without a name"
        raise DataError(f"{path} has {what}; names that differ are expected. Rename them.")
    if not cells or not cells[0]:
        raise DataError(f"{path} has no rows below its names; one at least is expected. Add some.")
    return dict(zip(names, cells, strict=True))


def _listed(names: str | Sequence[str]) -> list[str]:
    return names.split(",") if isinstance(names, str) else [*names]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _finite(cell: str, name: str, who: str) -> float:
    value = _number(cell)
    if value is None or not np.isfinite(np.float32(value)):
        raise DataError(f"{who}: {cell!r} in column {name!r} came; a finite number is expected. Correct it.")
    return value


def _gap(cell: str) -> bool:
    return cell.lower() in GAPS


def _without_gaps(held: Columns, names: Sequence[str], who: str, missing: Missing) -> dict[str, list[str]]:
    """The columns of those names, without gaps."""
    gaps = {name: [i for i, cell in enumerate(held[name]) if _gap(cell)] for name in names}
    rows = sorted({i for places in gaps.values() for i in places})
    if not rows:
        return {name: [*held[name]] for name in names}
    if missing == "refuse":
        name, first = next((name, places[0] + 1) for name, places in gaps.items() if places)
        raise DataError(
            f"{who}: column {name!r} has no value in row {first}, and {len(rows)} of {len(held[name])} rows have gaps; "
            "none are expected. Say what to do: --data.options '{missing: drop}', or fill."
        )
    if missing == "drop":
        gone = {*rows}
        kept = {name: [cell for i, cell in enumerate(held[name]) if i not in gone] for name in names}
        if not kept[names[0]]:
            raise DataError(f"{who} has a gap in every row. Leave a column out: data.options.columns.")
        return kept
    return {name: _filled(held[name], name, who) for name in names}


def _filled(cells: Sequence[str], name: str, who: str) -> list[str]:
    there = [cell for cell in cells if not _gap(cell)]
    if not there:
        raise DataError(f"{who}: column {name!r} has no values. Leave it out: data.options.columns.")
    numbers = [_number(cell) for cell in there]
    known = [number for number in numbers if number is not None]
    usual = repr(sum(known) / len(known)) if len(known) == len(there) else Counter(there).most_common(1)[0][0]
    return [usual if _gap(cell) else cell for cell in cells]


def _column(name: str, cells: Sequence[str], categorical: bool, who: str) -> Column:
    if not categorical and all(_number(cell) is not None for cell in cells):
        return Column(name)
    categories = tuple(sorted({*cells}))
    if len(categories) > CATEGORIES:
        raise DataError(
            f"{who}: column {name!r} has {len(categories):,} different texts, such as {categories[0]!r}; numbers, or "
            f"{CATEGORIES} categories at most, are expected. Correct it, or leave it out: data.options.columns."
        )
    return Column(name, categories)


def _places(
    held: Columns, split: str | None, y: Sequence[int] | None, classes: Sequence[str], seed: int, who: str
) -> tuple[dict[str, tuple[int, ...]], str]:
    """The rows of each split, and what a person should know about them."""
    count = len(next(iter(held.values())))
    if split is None:
        order = shuffled([f"{seed}:{i}" if seed else str(i) for i in range(count)], range(count))
        return deal({"train": order, "valid": (), "test": ()}, y, classes)
    said = {name: tuple(i for i, cell in enumerate(held[split]) if cell == name) for name in SPLITS}
    other = sorted({*held[split]} - {*SPLITS})
    if other or not said["train"]:
        came = ", ".join(map(repr, other[:3])) or "no 'train'"
        raise DataError(f"{who}: column {split!r} holds {came}; {', '.join(SPLITS)} are expected. Correct it.")
    return deal(said, y, classes)
