"""What the documentation shows is true: its Python runs, its command lines parse, its examples work."""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from counterfeit import catalogue
from counterfeit.cli import parser_of, verbs
from counterfeit.cli.settings import SHORTHANDS, settings
from counterfeit.config.nested import flatten, nest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    parts = [part.partition(" #")[0].strip() for line in lines for part in line.split("&&")]
    return [part for part in dict.fromkeys(parts) if part.startswith("counterfeit ")]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "pycon")], ids=name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks(page, "pycon")), {}, name(page), str(page), 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("command", commands())
def test_command_lines_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")  # whose classes some name
    _, verb, *arguments = shlex.split(command)
    if verb == "--help":
        return
    assert verb in verbs()
    parser = parser_of(verb)
    if "--help" not in arguments:
        args, rest = parser.parse_known_args(arguments)
        recipe = getattr(args, "recipe", None) or "gan"
        assert rest == [] or verb in {"train", "resume", "data", "benchmark"}
        if not recipe.endswith(".yaml"):
            catalogue.configure(catalogue.recipe(recipe), nest(settings(rest)))


def test_options_that_pages_name_exist() -> None:
    options = {option for verb in verbs() for option in parser_of(verb)._option_string_actions}
    resolved = [catalogue.configure(recipe).to_dict() for recipe in catalogue.recipes().values()]
    settings = {f"--{key}" for one in resolved for key in dict(flatten(one))}
    named = {word for page in PAGES for word in re.findall(r"`(--[a-z][\w.-]*)", page.read_text(encoding="utf-8"))}
    last = {setting.rpartition(".")[2] for setting in settings}
    known = {*options, *settings, *(f"--{key}" for key in SHORTHANDS), "--data.options", "--model.couplings"}
    of_parts = {word for word in named if word.startswith("--train.parts.") and word.rpartition(".")[2] in last}
    assert sorted(named - known - of_parts) == []


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 20


@pytest.mark.parametrize(("example", "arguments"), [("own_model", ["3"]), ("objectives", ["3"]), ("own_pictures", [])])
def test_examples_run(
    example: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    if example == "own_pictures":
        (tmp_path / "pictures").mkdir()
        for i in range(20):
            Image.new("RGB", (12, 9), (10 * i, 40, 200)).save(tmp_path / "pictures" / f"{i}.png")
        arguments = ["pictures", "8", "3"]
    monkeypatch.setattr(sys, "argv", [example, *arguments])
    runpy.run_path(str(ROOT / "examples" / f"{example}.py"), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help otherwise in other versions")
def test_pages_hold_what_their_marks_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    generated = import_module("generated")
    texts = {page: page.read_text(encoding="utf-8") for page in generated.pages()}
    stale = [page.relative_to(ROOT).as_posix() for page, text in texts.items() if generated.refreshed(text) != text]
    assert not stale, f"{', '.join(stale)}: stale. Run `python docs/generated.py`."
    assert "| `gan` |" in texts[ROOT / "docs" / "models" / "index.md"]
