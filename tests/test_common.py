"""Every bundled recipe passes every check that its model has the capabilities for.

A recipe that cannot pass one says so, with the reason, in its own `xfail`, and then must fail it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import checks
from conftest import Bench
from counterfeit import catalogue
from counterfeit.catalogue import Recipe


def marks(recipe: Recipe, check: str) -> list[Any]:
    reason = recipe.xfail.get(check)
    return [pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)] if reason else []


RECIPES = catalogue.recipes()
PAIRS = [
    pytest.param(recipe, check, id=f"{name}-{check}", marks=marks(recipe, check))
    for name, recipe in RECIPES.items()
    for check in checks.applicable(catalogue.model_class(recipe.model))
]
# one recipe a family, among those whose own data travel with the package: every kill costs new processes
KILLED = {
    catalogue.model_class(r.model).__module__.split(".")[2]: r
    for r in RECIPES.values()
    if r.settings.get("data", {}).get("name") == "digits"
}


@pytest.mark.parametrize(("recipe", "check"), PAIRS)
def test_recipe_passes(recipe: Recipe, check: str, bench: Callable[[Recipe], Bench]) -> None:
    bench(recipe).check(checks.CHECKS[check])


@pytest.mark.parametrize("recipe", [pytest.param(r, id=r.name, marks=marks(r, "kill")) for r in KILLED.values()])
def test_killed_recipe_ends_as_if_nothing_had_happened(recipe: Recipe, tmp_path: Path) -> None:
    checks.kill(recipe, tmp_path)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_smoke_settings_need_no_data_of_the_users(recipe: Recipe) -> None:
    data = catalogue.configure(recipe, recipe.smoke).data
    assert recipe.smoke, "the recipe has no smoke section"
    generated = {"captioned-shapes", "pushed-block", "sentences", "tones"}
    moving = data.name == "moving-digits" and data.options.get("of") == "digits"
    hidden = data.name == "unpaired-digits" and data.options.get("digits") == "digits"
    drawn = data.name == "outlines" and data.options.get("of") == "digits"
    toys = {name for name, cls in catalogue.sources().items() if "toy" in cls.__module__}
    assert moving or hidden or drawn or data.name in {"digits", *generated, *toys}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_exceptions_name_a_check_and_say_why(recipe: Recipe) -> None:
    known = {*checks.applicable(catalogue.model_class(recipe.model)), "kill"}
    assert {*recipe.xfail} <= known
    assert all(len(reason.split()) > 3 for reason in recipe.xfail.values())
