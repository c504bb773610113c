"""What the pages show of the program itself, read off it.

    python docs/generated.py

writes into every page, between `<!-- NAME ARGUMENTS -->` and `<!-- /NAME -->`, the Markdown that the function NAME
gives, so that pages are whole where they are read as files; building the documentation reads it off anew. A test says
when it is stale.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import json
import os
import pkgutil
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import claims as claimed
import house
from docstring_parser import parse

import counterfeit
from counterfeit import catalogue, cli
from counterfeit.benchmarking import result as benchmarks
from counterfeit.benchmarking.advice import advice
from counterfeit.benchmarking.table import table as benchmark_table
from counterfeit.common.numbers import number
from counterfeit.config.parse import groups
from counterfeit.config.settings import SECTIONS
from counterfeit.core import CAPABILITIES
from counterfeit.report.html.figure import save
from counterfeit.report.paper.cells import Cell
from counterfeit.report.paper.table2 import table2
from counterfeit.report.theory import topic as theory

RESULTS = Path(__file__).parents[1] / "results"
DRAWN = Path(__file__).parent / "_build" / "theory"
KEPT = {"modes": ("any", 1), "well_covered": ("a tenth", 1), "high_quality": ("near, %", 100)}  # of a table of modes
MARK = re.compile(r"<!-- (\w+)((?: [\w./-]+)*) -->(?:\n(?:(?!<!-- ).)*?<!-- /\1 -->)?", re.DOTALL)
BUILT = {"api", "drawn", "lesson", "recorded"}  # what needs the build: directives, and figures drawn for it
SPECIAL = re.compile(r"(`[^`]*`|\*\w+(?: \w+)*\*)|([*|]|_\b)")  # what stays, `code` and *emphasis*; what is escaped


def fill(app: object, page: str, source: list[str]) -> None:  # noqa: ARG001
    """Replace the marks of a page."""
    source[0] = MARK.sub(lambda m: globals()[m[1]](*m[2].split()), source[0])


def refreshed(text: str) -> str:
    """The text of a page with what its marks stand for written between them."""
    return MARK.sub(lambda m: m[0] if m[1] in BUILT or m[1] not in globals() else _between(m), text)


def _between(mark: re.Match) -> str:
    content = globals()[mark[1]](*mark[2].split()).strip()
    return f"<!-- {mark[1]}{mark[2]} -->\n\n{content}\n\n<!-- /{mark[1]} -->"


def pages() -> list[Path]:
    """Every page with marks."""
    every = sorted(Path(__file__).parent.rglob("*.md"))
    return [page for page in every if MARK.search(page.read_text(encoding="utf-8"))]


def plain(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:  # noqa: ARG001
    """Make a docstring, which is plain text with `code` in backticks, safe as reStructuredText."""
    out, section = [], ""
    for line in lines:
        section = line if line and not line.startswith(" ") else section
        if line.startswith("    ") and section[-1:] != ":" and out and not out[-1]:
            out += ["::", ""]  # an indented block below a paragraph is a figure of text
            section = ":"
        text = line if ">>>" in line or section == ":" else SPECIAL.sub(_escaped, line)
        out.append(re.sub(r"^    (?=\S)", "    - ", text) if section == "References:" else text)
    if what in {"attribute", "property"} and out:
        out[0] = out[0].replace(": ", " – ", 1)  # napoleon would take what is before a colon for a type
    lines[:] = out


def _escaped(match: re.Match) -> str:
    # `code` may touch a letter, which reStructuredText allows only behind an escaped space
    return f"\\ {match[1]}\\ " if match[1] else f"\\{match[2]}"


def skip(app: object, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:  # noqa: ARG001
    """Leave out the fields of named tuples, which their class describes."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def signature(app: object, what: str, name: str, thing: object, *rest: object) -> tuple[str, str | None] | None:  # noqa: ARG001
    """Protocols are never called."""
    return ("", None) if getattr(thing, "_is_protocol", False) else None


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
    found = [(entry["name"], goal) for entry in counterfeit.list("recipes") for goal in entry["targets"]]
    rows = [
        (f"`{name}`", f"`{goal['metric']}`", goal["value"], goal.get("error"), goal["source"]) for name, goal in found
    ]
    return table(("recipe", "metric", "to reach", "±", "source"), rows)


def models() -> str:
    """Every model."""
    columns = ("family", "density", "summary", "capabilities")
    rows = [(f"`{e['name']}`", *(e[column] for column in columns)) for e in counterfeit.list("models")]
    return table(("model", "family", "density", "what", "capabilities"), rows)


def sources() -> str:
    """Every source of data."""
    rows = []
    for name, cls in catalogue.sources().items():
        spec = getattr(cls, "native", None)
        facts = ("x".join(map(str, spec.shape)), spec.kind, spec.classes or None) if spec else ("any", "image", "any")
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
    for protocol in CAPABILITIES:
        methods = [f"`{name}{_arguments(f)}`" for name, f in vars(protocol).items() if _is_method(name, f)]
        owners = [f"`{name}`" for name, cls in catalogue.models().items() if catalogue.able(cls, protocol)]
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
    rows = [(f"`{prefix}.{name}`", f"`{_default(value)}`", meaning) for name, value, meaning in _settings(cls)]
    return table(("setting", "default", "meaning"), rows)


def _settings(cls: type) -> Iterator[tuple[str, object, str]]:
    """Name, default and meaning of each; those of a group lie flat among the others, as on the command line."""
    grouped = groups(cls)
    for parameter in inspect.signature(cls).parameters.values():
        value = grouped.get(parameter.name, parameter.default)
        if dataclasses.is_dataclass(value):
            for name in (f.name for f in dataclasses.fields(value)):
                yield name, getattr(value, name), _meaning(type(value), name)
        elif parameter.name != "spec":
            yield parameter.name, value, _meaning(cls, parameter.name)


def _default(value: object) -> str:
    return "{}" if repr(value) == "<factory>" else json.dumps(value)


def _meaning(cls: type, name: str) -> str:
    described = (p for base in cls.__mro__ for p in parse(base.__doc__ or "").params)
    return next((p.description or "" for p in described if p.arg_name == name), "")


def verb(name: str) -> str:
    """The help text of a verb."""
    text = io.StringIO()
    os.environ |= {"COLUMNS": "90", "NO_COLOR": "1"}
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        cli.main([name, "--help"])
    return f"```text\n{text.getvalue().strip()}\n```\n"


def recipe(name: str) -> str:
    """The file of a recipe."""
    text = (Path(counterfeit.__file__).parent / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text}```\n"


def lesson(topic: str) -> str:
    """What a topic of the theory finds, worked out and drawn now."""
    worked = theory.lesson(topic)
    save(worked.figures, DRAWN)
    told = worked.to_dict()
    return _lesson(told["findings"], told["figures"], "/_build/theory", f"Computed for this page: {told['protocol']}.")


def recorded(topic: str) -> str:
    """What a topic of the theory that trains for minutes found, from the results."""
    found = json.loads((RESULTS / "theory.json").read_text(encoding="utf-8"))
    told, rows = found["topics"][topic], [row for row in found["rows"] if row["topic"] == topic]
    how = f"Measured {found['measured']}: {told['protocol']}.\n\n```sh\n{told['command']}\n```"
    return _lesson(rows, told["figures"], "/_static/theory", how)


def _lesson(rows: Iterable[dict], figures: Iterable[dict], place: str, how: str) -> str:
    cells = [(row["what"], row["found"], row["theory"], "yes" if row["holds"] else "**no**") for row in rows]
    shown = [_figure(figure, place) for figure in figures]
    return "\n\n".join([*shown, table(("what", "found", "theory", "holds"), cells), how]) + "\n"


def _figure(figure: dict, place: str) -> str:
    """A figure as it is drawn for light and for dark pages."""
    images = [
        f"```{{image}} {place}/{figure['name']}{ending}{figure['suffix']}\n"
        f":alt: {figure['alt']}\n:class: only-{page}\n```"
        for ending, page in (("", "light"), ("-dark", "dark"))
    ]
    return "\n\n".join([*images, f"*{figure['caption']}*"])


def calibration() -> str:
    """What moves which metric, in standard errors."""
    found = json.loads((RESULTS / "calibration.json").read_text(encoding="utf-8"))
    moved = {(v["metric"], v["spoilt by"]): v for v in found["verdicts"]}
    kinds, names = (list(dict.fromkeys(v[key] for v in found["verdicts"])) for key in ("spoilt by", "metric"))
    rows = [(f"`{name}`", *(_moved(moved[name, kind]) for kind in kinds)) for name in names]
    return table(("", *kinds), rows) + f"\n```sh\n{found['commands'][0]}\n```\n"


def _moved(verdict: dict) -> str:
    text = f"{verdict['standard errors']:+.1f}"
    if verdict["moves"]:
        return f"**{text}**" + ("" if verdict["should move"] else " unwanted")
    return text + (" missed" if verdict["should move"] else "")


def doctor() -> str:
    """How often the training doctor was right."""
    found = json.loads((RESULTS / "doctor.json").read_text(encoding="utf-8"))
    share = lambda rate: f"{rate['hits']} of {rate['runs']} ({', '.join(f'{100 * v:.0f} %' for v in rate['interval'])})"  # noqa: E731
    rates = [(row["finding"], share(row["detected"]), share(row["false alarms"])) for row in found["rates"]]
    costs = ", ".join(f"{100 * cost:.1f} % of `{name}`" for name, cost in found["cost"].items())
    shown = table(("finding", "detected", "false alarms"), rates)
    return "\n\n".join([f"CPU time: {costs}.", shown, found["note"], f"```sh\n{found['commands'][0]}\n```"])


def measured(*words: str) -> str:
    """A table of files of results against metrics, both by name, with references below and commands behind it."""
    files = {word: found for word in words if (found := _recorded(word))}
    names = [word for word in words if word not in files]
    for name in names:
        if not any(name in row["metrics"] for found in files.values() for row in found["rows"]):
            raise ValueError(f"{name} came; a metric that {', '.join(files)} has is expected.")
    body = [(f"`{name}`", _minutes(found), *(_mean(found, each) for each in names)) for name, found in files.items()]
    references: dict[str, dict[str, str]] = {}
    for metric in names:
        for found in files.values():
            details = found["rows"][0]["metrics"].get(metric, {}).get("details", {})
            for name, row in details.get("references", {}).items():
                references.setdefault(name, {}).setdefault(metric, number(row["value"], row.get("error")))
    body += [(f"*{name}*", "", *(row.get(metric, "") for metric in names)) for name, row in references.items()]
    commands = [command for found in files.values() for command in found["commands"]]
    return table(("", "CPU minutes", *names), body) + "\n```sh\n" + "\n".join(commands) + "\n```\n"


def _recorded(name: str) -> dict:
    """What `evaluate --record` kept under a name; nothing where no file, or one of another kind, has it."""
    path = RESULTS / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if "summary" in found else {}


def _minutes(found: dict) -> str:
    spent = [row["cpu_seconds"] for row in found["rows"] if "cpu_seconds" in row]
    return number(sum(spent) / len(spent) / 60) if spent else ""


def _mean(found: dict, metric: str) -> str:
    """Mean and deviation between runs where there are several, else the value and its error."""
    several, entry = found["summary"].get(metric), found["rows"][0]["metrics"].get(metric)
    if several and several["std"] is not None:
        return f"{number(several['mean'], several['std'])} ({several['runs']} runs)"
    return number(entry["value"], entry.get("error")) if entry else ""


def modes() -> str:
    """How many modes each objective and stabilizer keeps, on the ring and on the grid."""
    found = json.loads((RESULTS / "modes.json").read_text(encoding="utf-8"))
    rows = {(row["data"], row["case"]): row for row in found["rows"]}
    totals = {row["data"]: row["of"] for row in found["rows"]}
    cases = dict.fromkeys(row["case"] for row in found["rows"])
    columns = [f"{name} of {total}: {what}" for name, total in totals.items() for what, _ in KEPT.values()]
    body = [(case, *(cell for name in totals for cell in _kept(rows.get((name, case))))) for case in cases]
    return table(("", *columns), body) + f"\n```sh\n{found['commands'][0]}\n```\n"


def _kept(row: dict | None) -> tuple[str, ...]:
    if row is None:
        return ("",) * len(KEPT)
    return tuple(number(scale * row[name], scale * row[f"{name}_sd"]) for name, (_, scale) in KEPT.items())


def estimators() -> str:
    """Errors of estimators of unnormalized models with the most data, in percent of the truth."""
    found = json.loads((RESULTS / "estimators.json").read_text(encoding="utf-8"))
    most = max(row["n"] for row in found["rows"])
    rows = [
        (row["density"], row["method"], number(row["parameters_percent"]), number(row["worst_percent"]),
         number(row["z_percent"]) if "z_percent" in row else None)
        for row in found["rows"] if row["n"] == most
    ]  # fmt: skip
    columns = ("density", "estimator", "parameters, %", "worst seed, %", "Z, %")
    said = f"Median of {found['rows'][0]['seeds']} draws of {most:,} examples."
    return f"{table(columns, rows)}\n{said}\n\n```sh\n{found['commands'][0]}\n```\n"


def benchmark(name: str) -> str:
    """What a benchmark found, as `benchmark --record` kept it under a name: advice, table, what was left out."""
    made = benchmarks.opened(RESULTS / f"{name}.json")
    whole = benchmark_table(made)
    rows = [(f"`{first.text}`", *map(_bold, others)) for first, *others in whole.rows]
    said = [(one.purpose, one.text) for one in advice(made)]
    notes = "\n".join(f"- {note}" for note in whole.notes)
    command = f"```sh\n{made.command}\n```\n"
    return "\n\n".join([table(whole.columns, rows), notes, table(("to get", "take"), said), command])


def _bold(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def families(name: str) -> str:
    """Table 2 of the founding paper, as `reproduce table2 --record` kept it under a name."""
    found = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    made = table2({row["model"]: row for row in found["rows"]})
    rows = [(f"`{model.text}`", *(cell.text for cell in others)) for model, *others in made.rows]
    return table(("", *made.columns[1:]), rows) + f"\n```sh\n{found['commands'][0]}\n```\n"


def anomalies() -> str:
    """How well explicit models tell strange pictures, by what they learned and by each of their scores."""
    found = json.loads((RESULTS / "anomaly.json").read_text(encoding="utf-8"))
    tables = []
    for learned in dict.fromkeys(row["learned"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["learned"] == learned]
        body = [(f"`{row['model']}`", row["score"], *(_area(*pair) for pair in row["auroc"].values())) for row in rows]
        what = "the digits but one" if learned == "train" else "photographs"
        tables.append(f"Trained on {what}:\n\n{table(('', 'score', *rows[0]['auroc']), body)}")
    return "\n".join(tables) + f"\n```sh\n{found['commands'][0]}\n```\n"


def _area(value: float, error: float) -> str:
    return f"**{value:.2f}**" if value < 0.5 - 2 * error else f"{value:.2f}"


def claims(kind: str) -> str:
    """Claims of papers of one kind: advantages, disadvantages or comparisons, above what was measured."""
    return table(("the claim", "measured here", "does it hold?"), getattr(claimed, kind)())


def peers() -> str:
    """Training beside public packages."""
    found = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))
    rows = [
        (
            row["what"], f"{row['ours']:,}", f"{row['peer']}: {row['theirs']:,}", f"{row['ratio']:.2f}",
            f"{row['bf16_ratio']:.2f}" if "bf16_ratio" in row else "",
            *(f"{row[key]:.2f}" if key in row else "" for key in ("our_nats", "bf16_nats", "their_nats")),
        )
        for row in found["rows"]
    ]  # fmt: skip
    columns = (
        "net", "pictures a second", "theirs", "ratio", "ratio, bf16", "nats, ours", "nats, bf16", "nats, theirs",
    )  # fmt: skip
    return table(columns, rows) + f"\n```sh\n{found['commands'][0]}\n```\n"


def results() -> str:
    """Every file of results, with the commands that give it again."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    return "\n".join(_result(name, result) for name, result in found.items()) or "No results are recorded yet.\n"


def _result(name: str, result: dict) -> str:
    rows = result.get("rows", [{key: value for key, value in result.items() if isinstance(value, (int, float))}])
    protocols = {n: m["protocol"] for row in rows for n, m in row.get("metrics", {}).items()}
    commands = result.get("commands", [result["command"]] if "command" in result else [])
    machine = result.get("machine", {})
    where = [f"{key} {value}" for key, value in machine.items() if value] if isinstance(machine, dict) else [machine]
    parts = [
        f"## {result.get('name', name)}",
        result.get("note", ""),
        f"![{name}](_static/{result['figure']})" if "figure" in result else "",
        _rows([_flat(row) for row in rows]),
        ". ".join(_summary(key, value) for key, value in result.get("summary", {}).items()),
        "\n".join(f"- `{metric}`: {protocol}" for metric, protocol in protocols.items()),
        "```sh\n" + "\n".join(commands) + "\n```" if commands else "",
        f"Measured {', '.join(filter(None, [result.get('measured'), *where]))}." if where else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _flat(row: dict) -> dict[str, object]:
    measured = {name: _with_error(m["value"], m.get("error")) for name, m in row.get("metrics", {}).items()}
    return {key: value for key, value in row.items() if key != "command" and not _nested(value)} | measured


def _nested(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.6g}" if error is None else f"{value:.2f} ± {error:.2f}"


def _rows(rows: list[dict[str, object]]) -> str:
    columns = [*dict.fromkeys(key for row in rows for key in row)]
    text = table(columns, [[row.get(column) for column in columns] for row in rows])
    return text if len(rows) <= 12 else f"<details><summary>{len(rows)} rows</summary>\n\n{text}\n</details>"


def _summary(name: str, value: object) -> str:
    if not isinstance(value, dict):
        return f"{name}: {_cell(value)}"
    spread = "" if value.get("std") is None else f" ± {value['std']:.2f} (standard deviation over {value['runs']} runs)"
    return f"`{name}`: {value['mean']:.2f}{spread}"


def floors() -> str:
    """Every floor and folder of the package, with what it is for."""
    rows = [(f"`{room.name}`", room.purpose, room.modules or "") for room in house.rooms()]
    return table(("where", "what it holds", "modules"), rows)


def drawn() -> str:
    """The floors of the package as a picture, made now."""
    figure = house.drawing()
    save([figure], DRAWN)
    told = {"name": figure.name, "suffix": figure.picture.suffix, "alt": figure.alt, "caption": figure.caption}
    return _figure(told, "/_build/theory")


def way() -> str:
    """The way of a recipe from `train` to the first step, followed now."""
    path = house.way()
    visits: list[tuple[str, list[str]]] = []
    for floor, function in path:
        if not visits or visits[-1][0] != floor:
            visits.append((floor, []))
        if function not in visits[-1][1]:
            visits[-1][1].append(function)
    rows = [
        (number, floor, ", ".join(f"`{function}`" for function in found))
        for number, (floor, found) in enumerate(visits)
    ]
    count, up = house.moves(path)
    shown = table(("move", "floor", "functions that are handed the recipe or its settings"), rows)
    return f"{shown}\n{count} moves, {up} of them up.\n"


def api(*rooms: str) -> str:
    """The public interface of every module of some rooms, in their order."""
    found = (m.name for m in pkgutil.walk_packages(counterfeit.__path__, "counterfeit.") if not m.ispkg)
    names = sorted((name for name in found if name.split(".")[1] in rooms), key=lambda n: rooms.index(n.split(".")[1]))
    return "\n".join(_module(name) for name in names if getattr(import_module(name), "__all__", ()))


def _module(name: str) -> str:
    return f"## {name.removeprefix('counterfeit.')}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"


if __name__ == "__main__":
    for page in pages():
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
