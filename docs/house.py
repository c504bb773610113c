"""The house that pages show: its floors and folders, drawn from the imports, and the way of a recipe through them.

    python docs/house.py            prints the way from `train` to the first step

The floors stand in `tests/test_architecture.py`, which enforces them; what a room is for, its own first line says.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import counterfeit
from counterfeit.report.html import plot
from counterfeit.report.html.figure import Figure
from counterfeit.report.html.themed import themed

__all__ = ["drawing", "floors", "rooms", "way"]

PACKAGE = Path(counterfeit.__file__).parent
RULES = Path(__file__).parents[1] / "tests" / "test_architecture.py"
PASSED = ("__post_init__", "of_part", "to_dict", "span", "threads", "model")  # that only look at settings


class Room(NamedTuple):
    """A floor or a folder: its name, what it is for, and how many modules it holds itself."""

    name: str
    purpose: str
    modules: int


def floors() -> tuple[str, ...]:
    """The floors that there are, from the ground up."""
    listed = re.search(r"ROOMS = \((.*?)\)  # fmt", RULES.read_text(encoding="utf-8"), re.DOTALL)
    names = re.findall(r'"(\w+)"', listed[1] if listed else "")
    return tuple(name for name in names if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file())


def rooms() -> list[Room]:
    """Every floor, from the top down, each followed by its folders."""
    found = []
    for floor in reversed(floors()):
        place = PACKAGE / floor
        if not place.is_dir():
            found.append(Room(f"{floor}.py", _purpose(PACKAGE / f"{floor}.py"), 1))
            continue
        folders = sorted(file.parent for file in place.rglob("__init__.py"))
        found.extend(_folder(folder) for folder in folders)
    return found


def _folder(folder: Path) -> Room:
    held = sum(file.name != "__init__.py" for file in folder.glob("*.py"))
    return Room(f"{folder.relative_to(PACKAGE)}/", _purpose(folder / "__init__.py"), held)


def _purpose(file: Path) -> str:
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(said.split("\n\n")[0].split())


def imports() -> Counter[tuple[str, str]]:
    """(floor, floor below) -> how many modules of the one import from the other."""
    found: Counter[tuple[str, str]] = Counter()
    for file in PACKAGE.rglob("*.py"):
        floor = _floor(file)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {name for node in nodes for name in _imported(node)}
        below = {name.split(".")[1] for name in names if name.startswith("counterfeit.")}
        found.update((floor, other) for other in below if floor in floors() and other in floors() and other != floor)
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _floor(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def drawing() -> Figure:
    """The floors, and which imports from which, as a picture."""
    caption = (
        "The floors of the house, with the number of modules on each, drawn from the imports themselves. A line leads "
        "from a floor down to one that it imports from; the more modules do so, the thicker it is. No line leads up."
    )
    return themed("house", "House", caption, partial(_draw, floors(), imports()))


def _draw(names: tuple[str, ...], found: Counter[tuple[str, str]], theme: plot.Theme) -> bytes:
    return plot.svg(partial(_floors, names, found, theme), theme, (7.2, 0.34 * len(names)))


def _floors(names: tuple[str, ...], found: Counter[tuple[str, str]], theme: plot.Theme, axes: Any) -> None:
    sizes = Counter(_floor(file) for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")
    for height, name in enumerate(names):
        axes.barh(height, 1.6, height=0.72, color=theme.faint)
        axes.text(0.06, height, name, va="center", fontsize=9)
        axes.text(1.54, height, str(sizes[name]), va="center", ha="right", fontsize=7.5)
    for (above, below), count in sorted(found.items()):
        top, bottom = names.index(above), names.index(below)
        _arc(axes, top, bottom, 0.35 + 0.09 * min(count, 25), theme.curves[top % len(theme.curves)])
    axes.set_axis_off()
    axes.set_xlim(0, 3.9)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _arc(axes: Any, top: int, bottom: int, width: float, color: str) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    out = 1.6 + 0.16 * (top - bottom) + 0.1
    points = [(1.6, top), (out, top), (out, bottom), (1.6, bottom)]
    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    axes.add_patch(PathPatch(Curve(points, codes), fill=False, lw=width, color=color, alpha=0.55, capstyle="butt"))


class _Arrived(BaseException):
    """The first step begins."""


def way(recipe: str = "gan") -> list[tuple[str, str]]:
    """The functions through which a recipe, or its settings, are handed from `train` to the first step, in order.

    A function stands here once for each time that the way enters it or comes back to it.

    Returns:
        (floor, "file: function") of each.
    """
    from counterfeit.catalogue import Recipe
    from counterfeit.config.settings import Config, Train
    from counterfeit.engine.step import Stepper
    from counterfeit.run.run import train

    stack: list[tuple[object, tuple[str, str]]] = []
    path: list[tuple[str, str]] = []

    def watch(frame: Any, event: str, _: object) -> None:
        code, file = frame.f_code, Path(frame.f_code.co_filename)
        if event == "return":
            if stack and stack[-1][0] is frame:
                stack.pop()
                path.extend(place for _, place in stack[-1:])
            return
        if event != "call" or PACKAGE not in file.parents or code.co_name.startswith("<") or code.co_name in PASSED:
            return
        taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        handed = any(isinstance(frame.f_locals.get(name), Recipe | Config | Train) for name in taken)
        last = code is Stepper.step.__code__
        if handed or last or not stack or code.co_name == "recipe":
            place = (_floor(file), f"{file.relative_to(PACKAGE)}: {code.co_name}")
            stack.append((frame, place))
            path.append(place)
        if last:
            sys.setprofile(None)
            raise _Arrived

    with tempfile.TemporaryDirectory() as folder:
        _watched(watch, lambda: train(recipe, steps=1, out=f"{folder}/run", show=False, settings={"train.threads": 1}))
    return path


def _watched(watch: Callable[[Any, str, object], None], act: Callable[[], object]) -> None:
    sys.setprofile(watch)
    try:
        act()
    except _Arrived:
        pass
    finally:
        sys.setprofile(None)


def moves(path: list[tuple[str, str]]) -> tuple[int, int]:
    """How often a way goes from one floor to another, and how often of these to a higher one."""
    order, visited = floors(), [floor for floor, _ in path]
    steps = [(a, b) for a, b in pairwise(visited) if a != b]
    return len(steps), sum(order.index(b) > order.index(a) for a, b in steps)


if __name__ == "__main__":
    found = way()
    for floor, function in found:
        print(f"{floor:<12} {function}")
    print("{} moves between floors, {} of them up".format(*moves(found)))
