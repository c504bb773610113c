"""What the pages show of the program itself, read off it when they are built.

`<!-- NAME ARGUMENTS -->` in a page becomes the Markdown that the function NAME gives.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import pkgutil
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

from docstring_parser import parse

import counterfeit
from counterfeit import catalogue, cli
from counterfeit.config import SECTIONS

RESULTS = Path(__file__).parents[1] / "results"
MARK = re.compile(r"<!-- (\w+)((?: [\w./-]+)*) -->")


def fill(app: object, page: str, source: list[str]) -> None:  # noqa: ARG001
    """Replace the marks of a page."""
    source[0] = MARK.sub(lambda m: globals()[m[1]](*m[2].split()), source[0])


def plain(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:  # noqa: ARG001
    """Make a docstring, which is plain text with `code` in backticks, safe as reStructuredText."""
    out: list[str] = []
    for line in lines:
        if line.startswith("    ") and len(out) > 1 and not out[-1] and not out[-2].startswith(" "):
            out += ["::", ""]  # an indented block below a paragraph is a figure of text
        out.append(re.sub(r"(`[^`]*`)|([*|]|_\b)", lambda m: m[1] or f"\\{m[2]}", line) if ">>>" not in line else line)
    lines[:] = out


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value)) or "—"
    return "—" if value in (None, "") else str(value).replace("|", "\\|").replace("\n", " ")


def recipes() -> str:
    """Every recipe."""
    rows = [(f"`{e['name']}`", e["summary"], f"`{e['model']}`", f"`{e['data']}`") for e in counterfeit.list("recipes")]
    return table(("recipe", "what", "model", "data"), rows)


def goals() -> str:
    """The numbers that recipes must reach."""
    found = [(entry["name"], goal) for entry in counterfeit.list("recipes") for goal in entry["reach"]]
    rows = [
        (f"`{name}`", f"`{goal['metric']}`", goal["value"], goal.get("error"), goal["source"]) for name, goal in found
    ]
    return table(("recipe", "metric", "to reach", "±", "source"), rows)


def models() -> str:
    """Every model."""
    rows = [(f"`{e['name']}`", e["family"], e["summary"], e["capabilities"]) for e in counterfeit.list("models")]
    return table(("model", "family", "what", "capabilities"), rows)


def sources() -> str:
    """Every source of data."""
    rows = []
    for name, cls in catalogue.sources().items():
        spec = getattr(cls, "native", None)
        facts = (" x ".join(map(str, spec.shape)), spec.kind, spec.classes or None) if spec else ("any", "image", "any")
        rows.append((f"`{name}`", cls.summary, *facts))
    return table(("source", "what", "shape", "kind", "classes"), rows)


def metrics() -> str:
    """Every metric."""
    entries = counterfeit.list("metrics")
    rows = [(f"`{e['name']}`", e["summary"], e["unit"], e["better"], f"`{e['needs']}`") for e in entries]
    return table(("metric", "what", "unit", "better", "needs"), rows)


def capabilities() -> str:
    """Every capability, its methods, and the models that have it."""
    rows = []
    for protocol in catalogue.CAPABILITIES:
        methods = [f"`{name}{_arguments(f)}`" for name, f in vars(protocol).items() if _is_method(name, f)]
        owners = [f"`{name}`" for name, cls in catalogue.models().items() if issubclass(cls, protocol)]
        rows.append((f"`{protocol.__name__}`", inspect.getdoc(protocol), methods, owners))
    return table(("capability", "what", "methods", "models"), rows)


def _is_method(name: str, thing: object) -> bool:
    return inspect.isfunction(thing) and not name.startswith("_")


def _arguments(function: object) -> str:
    return f"({', '.join(name for name in inspect.signature(function).parameters if name != 'self')})"


def settings(section: str) -> str:
    """The settings of `data`, `train` or `evaluate`, or of a model by its name."""
    cls = SECTIONS.get(section) or catalogue.model_class(section)
    prefix = section if section in SECTIONS else "model"
    rows = [
        (f"`{prefix}.{p.name}`", f"`{_default(p)}`", _meaning(cls, p.name))
        for p in inspect.signature(cls).parameters.values()
        if p.name != "spec"
    ]
    return table(("setting", "default", "meaning"), rows)


def _default(parameter: inspect.Parameter) -> str:
    return "{}" if repr(parameter.default) == "<factory>" else json.dumps(parameter.default)


def _meaning(cls: type, name: str) -> str:
    described = (p for base in cls.__mro__ for p in parse(base.__doc__ or "").params)
    return next((p.description or "" for p in described if p.arg_name == name), "")


def verb(name: str) -> str:
    """The help text of a verb."""
    text = io.StringIO()
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        cli.main([name, "--help"])
    return f"```text\n{text.getvalue().strip()}\n```\n"


def recipe(name: str) -> str:
    """The file of a recipe."""
    text = (Path(counterfeit.__file__).parent / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text}```\n"


def results() -> str:
    """Every file of results, with the command that gives it again."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    return "\n".join(map(_result, files)) or "No results are recorded yet.\n"


def _result(result: dict) -> str:
    rows = result.get("rows", [])
    columns = [*dict.fromkeys(key for row in rows for key in row)]
    where = ", ".join(str(result[key]) for key in ("measured", "machine") if result.get(key))
    parts = [
        f"## {result['name']}\n",
        table(columns, [[row.get(column) for column in columns] for row in rows]) if rows else "",
        f"```sh\n{result['command']}\n```\n" if "command" in result else "",
        f"Measured: {where}.\n" if where else "",
    ]
    return "\n".join(parts)


def api(*rooms: str) -> str:
    """The public interface of every module of some rooms, in their order."""
    found = (m.name for m in pkgutil.walk_packages(counterfeit.__path__, "counterfeit."))
    names = sorted((name for name in found if name.split(".")[1] in rooms), key=lambda n: rooms.index(n.split(".")[1]))
    return "\n".join(_module(name) for name in names if getattr(import_module(name), "__all__", ()))


def _module(name: str) -> str:
    return f"## {name.removeprefix('counterfeit.')}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"
