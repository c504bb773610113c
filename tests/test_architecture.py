"""The house rules that a parser can check: imports point one way, one training loop, no pickle, all documented."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import counterfeit

PACKAGE = Path(counterfeit.__file__).parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
ROOMS = (
    "core", "likelihoods", "losses", "transforms", "corruption", "nets", "models", "theory", "common", "data", "config",
    "catalogue", "inference", "engine", "metrics", "evaluation", "listing", "run", "report", "benchmarking",
    "studio", "cli",
)  # fmt: skip
COLLECTIONS = ("data/sources", "inference", "report/figures", "report/theory", "cli")  # one file a topic, verb, …
FILES, LINES = 16, 400  # at most: files of a folder, lines of a file
PURE = ROOMS[:7]
UNPICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
RUNS_DATA = {"eval", "exec", "compile", "torch.load", "yaml.load", "yaml.full_load", "yaml.unsafe_load"}
HEAVY = {"jsonargparse", "matplotlib", "pooch", "rich", "scipy", "tensorboard"}
OUTSIDE_OF_MODELS = ("io", "logging", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile", "torch.optim")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def room(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names imported at any depth: in functions, under TYPE_CHECKING, and, as text, through importlib."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^counterfeit\.[a-z_.]+$", node.value)


def roots(tree: ast.AST) -> set[str]:
    return {name.split(".")[0] for name in imports(tree)}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    return ((ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def public(tree: ast.AST) -> Iterator[ast.ClassDef | Function]:
    """Classes, functions and methods without an underscore in or around their names; setters share a docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            if not any(ast.unparse(decorator).endswith(".setter") for decorator in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_imports_point_down_the_list_of_rooms() -> None:
    wrong = []
    for file, tree in TREES.items():
        entry = {"__init__.py": (), "__main__.py": ("cli",)}.get(file)
        allowed = ROOMS[: ROOMS.index(room(file)) + 1] if entry is None else entry
        for name in imports(tree):
            package, _, inside = name.partition(".")
            if package == "counterfeit" and inside and inside.split(".")[0] not in (*allowed, "__version__"):
                wrong.append(f"{file} imports {name}")
    assert wrong == []


def test_imports_go_in_no_circle() -> None:
    names = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in TREES}
    names.pop("__init__")  # which loads on first use

    def module(full: str) -> str:
        inner = full.removeprefix("counterfeit.")
        return inner if inner in names else inner.rpartition(".")[0]

    imported = {name: {module(full) for full in imports(TREES[file])} for name, file in names.items()}
    imported = {name: others & {*names} - {name} for name, others in imported.items()}
    order: list[str] = []
    while free := [name for name in names if name not in order and imported[name] <= {*order}]:
        order += free
    assert sorted({*names} - {*order}) == []


def test_folders_and_files_are_small_enough_to_find_ones_way() -> None:
    held: dict[str, int] = {}
    for file in TREES:
        if not file.endswith("__init__.py"):
            held[file.rpartition("/")[0]] = held.get(file.rpartition("/")[0], 0) + 1
    many = {folder: count for folder, count in held.items() if count > FILES and folder not in COLLECTIONS}
    assert {folder: count for folder, count in many.items() if not re.fullmatch(r"models/\w+", folder)} == {}
    lengths = {file: len((PACKAGE / file).read_text(encoding="utf-8").splitlines()) for file in TREES}
    assert {file: lines for file, lines in lengths.items() if lines > LINES} == {}


def test_every_folder_says_what_it_holds() -> None:
    folders = {file.rpartition("/")[0] for file in TREES} - {""}
    inits = {folder: TREES.get(f"{folder}/__init__.py") for folder in sorted(folders)}
    bare = [folder for folder, tree in inits.items() if tree is None or not ast.get_docstring(tree)]
    assert not bare, f"{', '.join(bare)}: an __init__.py is missing, or its line that says what the folder holds"


def test_scripts_import_what_there_is() -> None:
    """Benchmarks, examples and the documentation's scripts, which no other test runs whole."""
    root, lost = PACKAGE.parent.parent, []
    for path in sorted(path for folder in ("benchmarks", "docs", "examples") for path in (root / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("counterfeit"):
                module = importlib.import_module(str(node.module))
                found = {*dir(module), *(part.name for part in pkgutil.iter_modules(getattr(module, "__path__", [])))}
                lost += [f"{path.name}: {node.module}.{one.name}" for one in node.names if one.name not in found]
    assert not lost


def test_imports_are_absolute() -> None:
    assert [file for file, tree in TREES.items() if any(name.startswith(".") for name in imports(tree))] == []


def test_core_imports_only_torch_beside_itself() -> None:
    core = {root for file, tree in TREES.items() if room(file) == "core" for root in roots(tree)}
    assert core - {*sys.stdlib_module_names} == {"torch", "counterfeit"}


def test_models_know_no_optimizer_logger_path_or_device() -> None:
    wrong = []
    for file, tree in ((file, tree) for file, tree in TREES.items() if room(file) in PURE):
        names = [name for name in imports(tree) if f"{name}.".startswith(tuple(f"{n}." for n in OUTSIDE_OF_MODELS))]
        used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names += used & {"torch.optim", "torch.cuda", "torch.backends"}
        names += [name for name, _ in calls(tree) if name == "torch.device" or name.endswith(".cuda")]
        wrong += [f"{file} uses {name}" for name in names]
    assert wrong == []


def test_only_the_step_loop_differentiates_and_descends() -> None:
    wrong = []
    for file, tree in TREES.items():
        names = [name for name, _ in calls(tree) if file != "engine/step.py"]
        wrong += [f"{file}: {name}" for name in names if name.endswith((".backward", "optimizer.step", "scaler.step"))]
        wrong += [f"{file}: {name}" for name in names if re.search(r"\.optim\.[A-Z]", name)]
    assert wrong == []


def test_nothing_is_unpickled_or_run_from_data() -> None:
    wrong = []
    for file, tree in TREES.items():
        wrong += [f"{file} imports {name}" for name in roots(tree) & UNPICKLES]
        for name, call in calls(tree):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            pickled = name in {"np.load", "numpy.load"} and given.get("allow_pickle") != "False"
            if pickled or name in RUNS_DATA:
                wrong.append(f"{file}:{call.lineno} calls {name}")
    assert wrong == []


def test_torchvision_is_not_needed() -> None:
    assert [file for file, tree in TREES.items() if "torchvision" in roots(tree)] == []


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    wrong = []
    for file, tree in TREES.items():
        late = {id(node) for function in functions(tree) for node in ast.walk(function)}
        early = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in late]
        wrong += [f"{file}:{node.lineno}" for node in early if roots(node) & HEAVY]
    assert wrong == []


def test_public_names_are_documented() -> None:
    bare = [f"{f}:{n.lineno} {n.name}" for f, tree in TREES.items() for n in public(tree) if not ast.get_docstring(n)]
    assert bare == []


def test_every_return_is_annotated() -> None:
    wrong = [f"{f}:{n.lineno} {n.name}" for f, tree in TREES.items() for n in functions(tree) if n.returns is None]
    assert wrong == []


def test_functions_are_no_longer_than_sixty_lines() -> None:
    every = [(file, node) for file, tree in TREES.items() for node in functions(tree)]
    long = [f"{f}:{n.lineno} {n.name}" for f, n in every if (n.end_lineno or n.lineno) - n.lineno >= 60]
    assert long == []


def test_no_function_takes_more_than_eight_arguments() -> None:
    """Settings of a paper are fields of one group; what a method is called on does not count."""
    wrong = []
    for file, node in ((file, node) for file, tree in TREES.items() for node in functions(tree)):
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        names = [argument.arg for argument in taken if argument and argument.arg not in ("self", "cls")]
        wrong += [f"{file}:{node.lineno} {node.name} takes {len(names)}"] if len(names) > 8 else []
    assert wrong == []


@pytest.mark.parametrize("code", ["import counterfeit", "from counterfeit.cli import main; main(['--help'])"])
def test_start_imports_nothing_heavy(code: str) -> None:
    tell = "lambda: print('imported:', *{'torch', 'numpy', 'yaml', 'rich', 'pathlib'} & {*sys.modules} - before)"
    script = f"import atexit, sys; before = {{*sys.modules}}; atexit.register({tell}); {code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported:"


def test_json_is_written_in_one_place_which_knows_no_nan() -> None:
    asked = [(f"{file}:{call.lineno}", name) for file, tree in TREES.items() for name, call in calls(tree)]
    wrong = [place for place, name in asked if name in {"json.dump", "json.dumps"}]
    assert [place for place in wrong if not place.startswith("common/files.py")] == []


def test_the_way_of_a_recipe_is_short() -> None:
    sys.path.insert(0, str(PACKAGE.parents[1] / "docs"))
    try:
        import house
    finally:
        sys.path.pop(0)
    path = house.way()
    count, up = house.moves(path)
    assert (path[0][1], path[-1][1]) == ("run/run.py: train", "engine/step.py: step")
    assert count <= 16
    assert up <= 4
