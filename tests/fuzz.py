"""Damages every kind of file that the program reads, and looks for answers that are no clear line.

    python tests/fuzz.py [--cases 200000] [--seed 0] [--kind state.json] [--case 17]

A case is a function of seed, kind and number, so that each can be seen again. Damage is done to bytes (flipped, cut,
repeated, zeroed) or to what they mean: a field of JSON or YAML is gone, doubled, of another type or absurd, a tensor is
missing, renamed, of another type or shape, a member of an archive likewise. What may come of it is an answer, as where
damage does not matter, or a ValueError in one line, which the command line shows with status 2; anything else is found.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import random
import statistics
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

import counterfeit as cf
from counterfeit import catalogue
from counterfeit.catalogue import build, configure
from counterfeit.cli import main as command
from counterfeit.config.settings import Data, Train
from counterfeit.data import downloads as cached
from counterfeit.data.sample_files import read_samples
from counterfeit.data.sources.arrays import Arrays
from counterfeit.data.sources.captioned_folder import CaptionedFolder
from counterfeit.data.sources.folder import Folder
from counterfeit.data.sources.kept import Kept, keep
from counterfeit.data.sources.video_folder import Videos
from counterfeit.engine import checkpoint
from counterfeit.engine.distributed import Processes
from counterfeit.engine.lock import locked
from counterfeit.engine.step import Stepper
from counterfeit.metrics.features import classifier, reference
from counterfeit.models.classifying.lenet import LeNet
from counterfeit.report.figures.edits import read_direction
from counterfeit.report.html import plot
from counterfeit.report.run_page import doctor as doctors
from counterfeit.report.run_page import facts
from counterfeit.run.run import Run

CPU = torch.device("cpu")
ABSURD = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    7,
    3.5,
    -0.5,
    1e-300,
    1e308,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "0",
    "null",
    "ä\0",
    "../..",
    [],
    [None],
    [[]],
    ["x"],
    [0, 1],
    {},
    {"x": None},
    {"": 1},
    {"step": []},
)
TINY = {
    "model": {"hidden": [4], "discriminator_hidden": [4], "noise_dim": 2},
    "train": {
        "steps": 4,
        "batch_size": 8,
        "save_every": 2,
        "log_every": 1,
        "tensorboard": False,
        "threads": 1,
        "monitor": "parzen",
        "monitor_samples": 20,
        "parts": {"generator": {"ema": 0.5}},
    },
}


@dataclass(frozen=True)
class Kind:
    """A file, how its meaning is damaged, and what reads it.

    Arguments:
        path: of the file.
        use: reads it, as the program does.
        damage: a way to damage what the bytes mean; they alone are damaged where None.
    """

    path: Path
    use: Callable[[random.Random], object]
    damage: Callable[[random.Random, bytes], bytes] | None = None
    every: int = 1  # rounds in which it is damaged once


# damage


def bytes_damaged(rng: random.Random, content: bytes) -> bytes:
    """One to four accidents of bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 2, 8, 64, 1000))
        match rng.randrange(6):
            case 0:
                data[at : at + size] = rng.randbytes(len(data[at : at + size]))
            case 1:
                del data[at:]
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                data[at : at + size] = bytes(len(data[at : at + size]))
            case _ if data:
                data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(data)


def tree_damaged(rng: random.Random, tree: Any) -> Any:
    """A copy in which a value somewhere is another, gone, renamed or doubled."""
    tree = copy.deepcopy(tree)
    places = [*_places(tree)]
    if not places or rng.random() < 0.03:
        return rng.choice(ABSURD)
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("x", "", "step", f"{key} ", 3))] = holder.pop(key)
        case 2:
            other, at = rng.choice(places)
            holder[key] = copy.deepcopy(other[at]) if not _holds(other[at], holder) else None
        case 3:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}
        case _:
            holder[key] = copy.deepcopy(rng.choice(ABSURD))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder of a value, and the value's key in it."""
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


def _holds(tree: Any, holder: Any) -> bool:
    return tree is holder or any(_holds(at[key], holder) for at, key in _places(tree) if at[key] is not tree)


def json_damaged(rng: random.Random, content: bytes) -> bytes:
    """JSON with a damaged tree."""
    return json.dumps(tree_damaged(rng, json.loads(content))).encode()


def lines_damaged(rng: random.Random, content: bytes) -> bytes:
    """JSON lines, one of which has a damaged tree."""
    lines = content.splitlines()
    i = rng.randrange(len(lines))
    lines[i] = json_damaged(rng, lines[i])
    return b"\n".join(lines)


def yaml_damaged(rng: random.Random, content: bytes) -> bytes:
    """YAML with a damaged tree."""
    with contextlib.suppress(yaml.YAMLError):
        return yaml.safe_dump(tree_damaged(rng, yaml.safe_load(content)), sort_keys=False).encode()
    return b"- &a [*a]"


def tensors_damaged(rng: random.Random, content: bytes) -> bytes:
    """A safetensors file with a damaged header, or whose tensors are fewer, others, of another type or shape."""
    size = struct.unpack("<Q", content[:8])[0]
    header, values = json.loads(content[8 : 8 + size]), content[8 + size :]
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    match rng.randrange(6):
        case 0:
            header = tree_damaged(rng, header)
        case 1:  # one tensor less, and its bytes gone
            begin, end = header.pop(name)["data_offsets"]
            values = values[:begin] + values[end:]
            for entry in (entry for key, entry in header.items() if key != "__metadata__"):
                entry["data_offsets"] = [at - (end - begin) * (at >= end) for at in entry["data_offsets"]]
        case 2:
            header[rng.choice((f"{name}x", "optimizer/x/0/step", "weights/x", "optimizer/generator/99/step"))] = (
                header.pop(name)
            )
        case 3:
            header[name]["dtype"] = rng.choice(
                ("I32", "F32", "U32", "F16", "BF16", "F64", "F8_E4M3", "BOOL", "F4", "X")
            )
        case 4:
            header[name]["shape"] = rng.choice(
                ([], [1, *header[name]["shape"]], header[name]["shape"][::-1], [0], [2**62])
            )
        case _ if header.get("__metadata__"):
            other = tree_damaged(rng, header["__metadata__"])
            header["__metadata__"] = {k: str(v) for k, v in other.items()} if isinstance(other, dict) else {}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def archive_damaged(rng: random.Random, content: bytes) -> bytes:
    """A zip one of whose members is damaged, missing, renamed, empty or of another type or shape."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen, how = rng.choice(names), rng.randrange(6)
        for name in names:
            data = old.read(name)
            if name == chosen:
                if how == 0:
                    continue
                name = f"x{name}" if how == 1 else name
                data = bytes_damaged(rng, data) if how == 2 else b"" if how == 3 else data
                if how >= 4 and name.endswith(".npy"):
                    data = array_damaged(rng, data)
            new.writestr(name, data)
    return out.getvalue()


def array_damaged(rng: random.Random, content: bytes) -> bytes:
    """A .npy whose header says something else, or whose values are others."""
    if rng.random() < 0.5:
        other = rng.choice(
            (
                np.zeros(0),
                np.zeros((0, 1, 8, 8)),
                np.array(1),
                np.array("x"),
                np.full((3, 64), np.nan),
                np.eye(3) * 1e308,
                np.zeros((2, 3, 4, 5, 6), np.uint8),
                np.array([True]),
                np.array([1j]),
                np.array(["a", "b"]),
                np.zeros((4, 1, 8, 8)),
                np.array([2**63], np.uint64),
                np.array([-1] * 20),
                np.zeros(2, [("a", "f4")]),
                np.array(["2020-01-01"], "M8[D]"),
            )
        )
        out = io.BytesIO()
        np.save(out, other)
        return out.getvalue()
    size = struct.unpack("<H", content[8:10])[0]
    return content[:10] + bytes_damaged(rng, content[10 : 10 + size])[:size].ljust(size) + content[10 + size :]


def table_damaged(rng: random.Random, content: bytes) -> bytes:
    """A CSV file one of whose cells or lines is another."""
    lines = [line.split(",") for line in content.decode().splitlines()]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines[0]))
    match rng.randrange(4):
        case 0:
            lines[i][j] = rng.choice(("", "x", "2", "-1", '"', "nan", "1e999", "\0", lines[0][0], "ü" * 99))
        case 1:
            del lines[i][j]
        case 2:
            del lines[i]
        case _:
            lines = lines[: rng.randrange(len(lines) + 1)]
    return "\n".join(",".join(line) for line in lines).encode()


# what reads


@cache
def digits() -> Any:
    """A source that many share."""
    return catalogue.source("digits")


def opened(folder: Path) -> Run:
    """The run in a folder, on the shared source where it is of digits."""
    run = Run(folder, device="cpu")
    if run.config.data.name == "digits" and run.config.data == Data():
        run.source = digits()
    return run


@cache
def described(folder: Path) -> Run:
    """The run in a folder whose run.yaml is whole, read once."""
    return opened(folder)


def again(folder: Path) -> Run:
    """That run with nothing else read of it yet."""
    run = copy.copy(described(folder))
    for name in ("model", "checkpoint"):
        run.__dict__.pop(name, None)
    return run


def looked_at(folder: Path, run_of: Callable[[Path], Run], _: random.Random) -> None:
    """What a report says in words, and the curves."""
    run = run_of(folder)
    facts.facts(run), facts.goals(run), facts.measurements(run), facts.summary(run)
    doctors.findings(run)
    plot.panels(run.events)


def sampled(folder: Path, _: random.Random) -> None:
    """A few samples."""
    again(folder).sample(2)


def restored(folder: Path, model: Any, train: Train, _: random.Random) -> None:
    """What training would go on from, and one more step."""
    stepper = Stepper(copy.deepcopy(model), train, Processes())
    state = checkpoint.restore(checkpoint.newest(folder), stepper)
    from counterfeit.core import Clock
    from counterfeit.data.loader import Stream

    stream = Stream(digits().split("train"), 8, 0, CPU, position=state["position"])
    stepper.step(stream.draws(), Clock(state["step"], 10**9))


def verb(rng: random.Random, *lines: str) -> None:
    """One of the command lines, which must not raise."""
    status = command(rng.choice(lines).split())
    if status not in (0, 2):
        raise RuntimeError(f"status {status}")


def configured(path: Path, _: random.Random) -> None:
    """A recipe, its settings, its data and its model."""
    config = configure(catalogue.recipe(str(path)))
    if any(size > 10_000 for size in _numbers(config.to_dict()["model"])):
        return  # a net that only a large machine can hold
    build(*catalogue.training_data(config), CPU)


def _numbers(tree: Any) -> Iterator[float]:
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for value in values:
        yield from [value] if isinstance(value, (int, float)) else _numbers(value)


def source_of(cls: type, path: Path, _: random.Random, **options: Any) -> None:
    """A source, and a few of its examples."""
    source = cls(path, **options)
    for split in ("train", "valid", "test"):
        examples = source.split(split)
        examples[torch.arange(min(2, len(examples)))]
    source.fingerprint  # noqa: B018


def made(folder: Path) -> dict[str, Kind]:
    """Every kind of file, written into a folder as the program or a person writes it."""
    kinds: dict[str, Kind] = {}
    _run_files(folder, kinds)
    _cache_files(folder, kinds)
    _data_files(folder, kinds)
    return kinds


def _run_files(folder: Path, kinds: dict[str, Kind]) -> None:
    run = cf.train("gan", out=folder / "run", settings=TINY, show=False)
    run.evaluate("nearest", "parzen", "class-coverage", samples=30)
    doctor = {"kind": "loss", "severity": "warning", "step": 4, "saw": "a", "why": "b", "change": "c"}
    back = {"from": 4, "to": 2, "lr_times": 0.5, "because": "d"}
    with (run.path / "events.jsonl").open("a") as file:
        file.write("".join(json.dumps({"step": 4, **row}) + "\n" for row in ({"finding": doctor}, {"rollback": back})))
    model, newest = build(run.config, digits(), CPU), checkpoint.newest(run.path)
    look, draw = partial(looked_at, run.path, again), partial(sampled, run.path)
    go_on = partial(restored, run.path, model, run.config.train)
    words = (
        f"report {run.path} --json",
        f"doctor {run.path} --json",
        f"sample {run.path} -n 2 --out {folder / 's.npy'}",
    )

    def sometimes(usual: Callable[[random.Random], object], rng: random.Random) -> None:
        verb(rng, *words) if rng.random() < 0.002 else usual(rng)

    kinds["run.yaml"] = Kind(
        run.path / "run.yaml", partial(sometimes, partial(looked_at, run.path, opened)), yaml_damaged, every=16
    )
    kinds["events.jsonl"] = Kind(run.path / "events.jsonl", partial(sometimes, look), lines_damaged)
    kinds["evaluation.json"] = Kind(run.path / "evaluation.json", partial(sometimes, look), json_damaged)
    kinds["state.json"] = Kind(newest / "state.json", lambda rng: (look(rng), go_on(rng)), json_damaged)
    kinds["model.safetensors"] = Kind(newest / "model.safetensors", draw, tensors_damaged)
    kinds["training.safetensors"] = Kind(newest / "training.safetensors", go_on, tensors_damaged)
    recipe = folder / "mine.yaml"
    recipe.write_text(
        yaml.safe_dump(
            {
                **{key: run.description[key] for key in ("model", "data", "train", "evaluate", "targets", "summary")},
                "smoke": {"train": {"steps": 2}},
                "xfail": {"x": "y"},
            }
        )
    )
    kinds["recipe.yaml"] = Kind(recipe, partial(configured, recipe), yaml_damaged, every=16)
    lock = folder / "lock"
    lock.write_text('{"pid": 1, "host": "a", "since": "b"}')
    kinds["lock"] = Kind(lock, lambda _: _held(folder), json_damaged)


def _held(folder: Path) -> None:
    with locked(folder, Processes()):
        pass


def _cache_files(folder: Path, kinds: dict[str, Kind]) -> None:
    spec = digits().spec
    torch.manual_seed(0)
    net = LeNet(spec, channels=2, features=4)
    classifier.keep(net, digits(), folder / "net.safetensors")
    kinds["classifier.safetensors"] = Kind(
        folder / "net.safetensors", lambda _: classifier.read_classifier(folder / "net.safetensors"), tensors_damaged
    )
    features = torch.randn(20, 4)
    known = reference.Statistics(features, reference.moments(features))
    kept = folder / "statistics.npz"
    np.savez(kept, **reference.packed(known, {"n": 20}))
    kinds["statistics.npz"] = Kind(kept, lambda _: reference.read_statistics(kept, {"n": 20}), archive_damaged)
    fresh = {"values": np.arange(3.0)}
    cached.memo("fuzz", lambda: fresh)
    path = cached.cache_dir() / "fuzz.npz"

    def memo(_: random.Random) -> None:
        if not np.array_equal(cached.memo("fuzz", lambda: fresh)["values"], fresh["values"]):
            raise RuntimeError("other values than were kept")

    kinds["memo.npz"] = Kind(path, memo, archive_damaged)


def _data_files(folder: Path, kinds: dict[str, Kind]) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8)
    for name, arrays in (("samples.npz", {"x": pictures}), ("data.npz", {"x": pictures, "y": np.arange(24) % 3})):
        np.savez(folder / name, **arrays)
    np.save(folder / "samples.npy", pictures)
    np.save(folder / "direction.npy", np.ones((2, 4), np.float32))
    read = lambda path, _: read_samples(path, digits())[torch.arange(2)]  # noqa: E731
    kinds["samples.npz"] = Kind(folder / "samples.npz", partial(read, folder / "samples.npz"), archive_damaged)
    kinds["samples.npy"] = Kind(folder / "samples.npy", partial(read, folder / "samples.npy"), array_damaged)
    kinds["data.npz"] = Kind(folder / "data.npz", partial(source_of, Arrays, folder / "data.npz"), archive_damaged)
    keep(Arrays(folder / "data.npz"), folder / "kept.npz")
    kinds["kept.npz"] = Kind(folder / "kept.npz", partial(source_of, Kept, folder / "kept.npz"), archive_damaged)
    direction = folder / "direction.npy"
    kinds["direction.npy"] = Kind(direction, lambda _: read_direction(direction, 4), array_damaged)
    for suffix in ("png", "jpg", "gif", "bmp", "tif", "webp"):
        place = folder / suffix
        place.mkdir()
        for i in range(4):
            Image.fromarray(pictures[i, ..., 0]).save(place / f"{i}.{suffix}")
        kinds[f"picture.{suffix}"] = Kind(place / f"0.{suffix}", partial(source_of, Folder, place))
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for i in range(4):
            archive.write(folder / "png" / f"{i}.png", f"{i % 2}/{i}.png")
    kinds["pictures.zip"] = Kind(
        folder / "pictures.zip", partial(source_of, Folder, folder / "pictures.zip"), archive_damaged
    )
    _told_files(folder, pictures, kinds)
    _tables(folder, kinds)


def _told_files(folder: Path, pictures: np.ndarray, kinds: dict[str, Kind]) -> None:
    told = folder / "told"
    told.mkdir()
    for i in range(6):
        Image.fromarray(pictures[i, ..., 0]).save(told / f"{i}.png")
    rows = ({"file": f"{i}.png", "caption": f"a {('small', 'large')[i % 2]} cat"} for i in range(6))
    (told / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    kinds["captions.jsonl"] = Kind(told / "captions.jsonl", partial(source_of, CaptionedFolder, told), lines_damaged)
    videos = folder / "videos"
    videos.mkdir()
    for i in range(4):
        first, *rest = (Image.fromarray(np.roll(pictures[i, ..., 0], t, 1)) for t in range(4))
        first.save(videos / f"{i}.gif", save_all=True, append_images=rest, duration=60)
    kinds["video.gif"] = Kind(videos / "0.gif", partial(source_of, Videos, videos, frames=2))


def _tables(folder: Path, kinds: dict[str, Kind]) -> None:
    choices, wins = folder / "choices.csv", folder / "wins.csv"
    choices.write_text("rater,model,correct\n" + "".join(f"r{i % 3},m{i % 2},{i % 5 > 1:d}\n" for i in range(20)))
    wins.write_text("winner,loser\n" + "".join(f"m{i % 3},m{(i + 1 + i % 2) % 3}\n" for i in range(20)))
    kinds["choices.csv"] = Kind(
        choices, lambda rng: verb(rng, f"study {choices} --json", f"study {choices}"), table_damaged
    )
    kinds["wins.csv"] = Kind(wins, lambda rng: verb(rng, f"study {wins} --json", f"study {wins}"), table_damaged)


# the search


@dataclass(frozen=True)
class Found:
    """A case whose answer was no clear line."""

    kind: str
    case: int
    error: BaseException

    def __str__(self) -> str:
        frames = traceback.extract_tb(self.error.__traceback__)
        at = next((f for f in reversed(frames) if "counterfeit" in f.filename), frames[-1])
        what = f"{type(self.error).__name__}: {' '.join(str(self.error).split())[:160]}"
        return f"{self.kind} case {self.case}: {what} at {Path(at.filename).name}:{at.lineno} {at.name}"


class Search:
    """Damages files in a folder of its own, and puts them back."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.seed, self.kinds = seed, made(folder)
        self.whole = {name: kind.path.read_bytes() for name, kind in self.kinds.items()}

    def case(self, name: str, number: int) -> Found | None:
        """One case of a kind."""
        kind, rng = self.kinds[name], random.Random(f"{self.seed} {name} {number}")
        damage = kind.damage if kind.damage and rng.random() < 0.7 else bytes_damaged
        kind.path.write_bytes(damage(rng, self.whole[name]))
        quiet = io.StringIO()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
                warnings.simplefilter("ignore")
                kind.use(rng)
        except ValueError as error:
            return Found(name, number, RuntimeError(f"several lines: {error}")) if "\n" in str(error).strip() else None
        except SystemExit as end:
            return None if end.code == 2 else Found(name, number, end)
        except (Exception, RecursionError) as error:
            return Found(name, number, error)
        finally:
            kind.path.write_bytes(self.whole[name])
        return None


@contextlib.contextmanager
def alone() -> Iterator[Path]:
    """A folder, and a cache that nobody else fills."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COUNTERFEIT_CACHE"] = str(Path(folder) / "cache")
        torch.set_num_threads(1)
        yield Path(folder)


def main() -> int:
    """Search, and print every finding once for each place it comes from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", help="this kind alone")
    parser.add_argument("--case", type=int, help="this case alone, with its traceback")
    args = parser.parse_args()
    with alone() as folder:
        search = Search(folder, args.seed)
        names = [args.kind] if args.kind else [*search.kinds]
        if args.case is not None:
            if found := search.case(names[0], args.case):
                traceback.print_exception(found.error)
            return 0
        return _searched(search, names, args.cases)


def _searched(search: Search, names: list[str], cases: int) -> int:
    start, seen, spent = time.perf_counter(), {}, {name: [] for name in names}
    order = [name for turn in range(16) for name in names if turn % search.kinds[name].every == 0]
    for number in range(cases):
        name, begun = order[number % len(order)], time.perf_counter()
        found = search.case(name, number)
        spent[name] = [*spent[name][-99:], time.perf_counter() - begun]
        if found and (place := str(found).partition(" case ")[0] + str(found).rpartition(" at ")[2]) not in seen:
            seen[place] = found
            print(found, flush=True)
        if number % 10_000 == 9_999:
            print(f"{number + 1:,} cases in {time.perf_counter() - start:,.0f} s, {len(seen)} findings", flush=True)
    slowest = ", ".join(f"{name} {1e3 * statistics.mean(spent[name] or [0]):.1f} ms" for name in names)
    print(f"{cases:,} cases, {len(seen)} findings; a case of {slowest}")
    return bool(seen)


if __name__ == "__main__":
    sys.exit(main())
