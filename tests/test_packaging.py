"""What is installed and said about it: versions, pins, package data, and the README's own commands."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import yaml

import counterfeit
from counterfeit import catalogue

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def canonical(requirement: str) -> str:
    """The name in a requirement, as package indexes compare names."""
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def marked(mark: str) -> str:
    """The shell block between `<!-- mark -->` and `<!-- end -->` in the README."""
    found = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)\n```\n<!-- end -->", README, re.DOTALL)
    assert found
    return found[1]


def test_version_is_the_same_everywhere() -> None:
    changelog = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert changelog
    assert {counterfeit.__version__, PROJECT["version"], changelog[1], citation["version"]} == {PROJECT["version"]}


def test_license_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["license"] == citation["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_every_requirement_is_pinned(extra: str) -> None:
    required = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    pinned = {canonical(line) for line in CONSTRAINTS.splitlines() if not line.startswith("#")}
    assert {canonical(requirement) for requirement in required} - pinned == set()


def test_pillow_has_fonts_of_any_size_and_tells_transparency() -> None:
    assert "pillow>=10.1" in PROJECT["dependencies"]


def test_constraints_are_plain_pins() -> None:
    pins = [line.partition(" ;")[0] for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []


def test_torch_is_pinned_without_a_local_version() -> None:
    assert "torch==2.13.0" in CONSTRAINTS.splitlines()


@pytest.mark.parametrize("mark", ["train", "test"])
def test_readme_commands_are_one_line_and_constrained(mark: str) -> None:
    command = marked(mark)
    assert "\n" not in command
    assert "pip install -c constraints.txt " in command


def test_readme_installs_every_extra_for_tests() -> None:
    extras = re.search(r'"\.\[([\w,]+)\]"', marked("test"))
    assert extras
    assert {*extras[1].split(",")} == {*PROJECT["optional-dependencies"]}


def test_every_install_in_the_documentation_is_constrained() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md")]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if "pip install" in line]
    assert lines
    assert [line for line in lines if "-c constraints.txt" not in line] == []


def test_recipes_and_bundled_data_are_installed() -> None:
    package = resources.files("counterfeit")
    assert {f.name for f in package.joinpath("recipes").iterdir()} >= {f"{name}.yaml" for name in catalogue.recipes()}
    for name, license_ in (("digits", "CC BY 4.0"), ("mnist-small", "CC BY-SA 3.0")):
        assert package.joinpath("data", f"{name}.npz").is_file()
        assert license_ in package.joinpath("data", f"{name}.txt").read_text(encoding="utf-8")


def test_the_package_holds_nothing_that_somebody_left_there() -> None:
    """Archives that a tool downloads into the folder where it runs would be installed with everything else."""
    held = [path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path.name for path in held if path.suffix in {".whl", ".gz", ".zip", ".tgz"}] == []
    assert sum(path.stat().st_size for path in held) < 5_000_000


def test_documentation_loads_nothing_from_the_network() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.py")}
    assert [path.name for path, text in texts.items() if re.search(r"https?://", text)] == []
    assert (ROOT / "docs" / "_static" / "tex-svg.js").stat().st_size < 2_500_000
