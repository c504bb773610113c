"""Draw samples from a run: as a picture, as single pictures, as sound, as an array, or as walks between codes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfeit.cli.options import run_options, samples_writable, writable
from counterfeit.cli.output import counted, say
from counterfeit.common.files import dumps

if TYPE_CHECKING:
    from torch import Tensor

    from counterfeit.run.run import Run

SUMMARY = "draw samples from a run"
OPTIONS = ("sampler", "sampling_steps", "guidance")  # of a draw, where the model has them
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit sample runs/first                          a grid of 64, as samples.png beside the run's own
  counterfeit sample runs/first --n 10000 --out all.npy  an array of all values
  counterfeit sample runs/first --n 100 --out pictures/  a folder of single pictures
  counterfeit sample runs/cgan --class 3,8               of these classes, by name or number
  counterfeit sample runs/cgan --per-class 10            a labelled row of ten of each class
  counterfeit sample runs/digits --caption "a small green three" --caption "a large blue zero"
  counterfeit sample runs/sounds --series melody.csv     sounds for a second series, a row of numbers for each frame
  counterfeit sample runs/first --interpolate 5          walks between five pairs of codes
  counterfeit sample runs/first --interpolate 5 --out walk.gif
  counterfeit sample runs/diffusion --class 7 --guidance 2 --sampler ddim --sampling-steps 50
  counterfeit sample runs/diffusion --trajectory --out steps.gif   from noise to samples, step by step
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("-n", "--n", type=int, help="how many (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same samples (default: 0)")
    parser.add_argument(
        "--out",
        help="a .png grid, a .npy array, a folder for single pictures or sounds, a .wav of all sounds, a .csv or "
        ".parquet of a table's columns, or a .txt of texts (default: RUN/samples.png, .wav of sound, .csv of tables, "
        ".txt of texts, .npy of vectors)",
    )
    group = parser.add_argument_group("what samples show; as frequent as in the data where nothing is asked")
    group.add_argument("--class", metavar="A,B", dest="classes", help="classes, by name or number")
    group.add_argument("--per-class", metavar="N", type=int, help="N of each class, or of those of --class, in rows")
    group.add_argument("--caption", action="append", help="a caption, where the model was trained on them; repeatable")
    group.add_argument("--series", metavar="FILE", help="a .npy or .csv of frames, where the data had a series")
    group = parser.add_argument_group("walks between codes")
    group.add_argument("--interpolate", metavar="N", type=int, help="N walks, in rows, or as an animated .gif or .webp")
    group.add_argument("--steps", type=int, default=10, help="pictures on a walk (default: 10)")
    group.add_argument("--path", choices=("spherical", "linear"), default="spherical", help="(default: spherical)")
    group = parser.add_argument_group("how samples are drawn, where the model leaves a choice")
    group.add_argument("--sampler", help="as ancestral, ddim, dpm-solver++, heun, midpoint (default: the model's)")
    group.add_argument("--sampling-steps", type=int, help="of a sampler, or of a chain (default: the model's)")
    group.add_argument(
        "--guidance", type=float, help="how strongly labels are followed (default: the model's; often 1)"
    )
    group.add_argument("--trajectory", action="store_true", help="what samples are after every step, as --interpolate")
    parser.add_argument("--mean", action="store_true", help="decoded means in place of draws")
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Sample."""
    args = parser.parse_args(arguments)
    from counterfeit.run.run import Run

    _agree(args)
    source = Run(args.run, args.checkpoint, args.device)
    place = Path(args.out) if args.out else source.path / f"samples{_suffix(source)}"
    if args.interpolate is not None:
        count, out = _walk(source, args, place)
        what = f"{counted(count, 'walk')} between codes"
    elif args.trajectory:
        count, out = _steps(source, args, place)
        what = f"all steps of {counted(count, 'sample')}"
    else:
        count, out = _sample(source, args, place)
        what = counted(count, "sample")
    say(f"{what} of {source.name}: {out}")
    if args.json:
        print(dumps({"run": args.run, "n": count, "seed": args.seed, "out": str(out)}))
    return 0


def _agree(args: argparse.Namespace) -> None:
    """Raise a ValueError where two options contradict each other, or a number is none."""
    alone = ("per_class", "caption", "interpolate", "trajectory")
    asked = [f"--{name.replace('_', '-')}" for name in alone if getattr(args, name)]
    pairs = [("classes", "caption"), ("classes", "interpolate"), ("n", "per_class"), ("n", "interpolate")]
    pairs += [(one, "series") for one in ("classes", "per_class", "caption", "interpolate")]
    for one, other in [*pairs, *(("interpolate", name) for name in OPTIONS)]:
        if getattr(args, one) is not None and getattr(args, other) is not None:
            names = (f"--{name.replace('classes', 'class').replace('_', '-')}" for name in (one, other))
            raise ValueError(f"{' and '.join(names)} came together; one of them is expected. Leave out the other.")
    if len(asked) > 1:
        raise ValueError(f"{' and '.join(asked)} came together; one of them is expected. Leave out the other.")
    for name, low in (("n", 1), ("per_class", 1), ("interpolate", 1), ("steps", 2)):
        if getattr(args, name) is not None and getattr(args, name) < low:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} {getattr(args, name)} came; at least {low} is expected. Raise it.")


def _suffix(source: Run) -> str:
    """Of the file that samples go to where no other is named."""
    from counterfeit.data.sources.table import Table
    from counterfeit.data.sources.text_lines import TEXT, Text

    raw = source.source.raw
    kinds = {".csv": isinstance(raw, Table), TEXT: isinstance(raw, Text), ".wav": raw.rate is not None}
    kinds[".npy"] = len(raw.spec.shape) == 1 and raw.spec.dims > 2  # of which there is no picture
    return next((suffix for suffix, one in kinds.items() if one), ".png")


def _rows(source: Run, args: argparse.Namespace, place: Path) -> tuple[int, Path]:
    """Samples as the rows of a table with the columns of the data."""
    from counterfeit.data.sources.table import Table, write_table

    table, n = source.source.raw, args.n or 64
    if not isinstance(table, Table):
        raise ValueError(f"{place} came; {source.name} was not trained on a table. Choose a .npy or a .png.")
    writable(str(place))
    y = [name.strip() for name in args.classes.split(",")] if args.classes else None
    write_table(table.decode(_draw(source, args, n, None if y is None else [y[i % len(y)] for i in range(n)])), place)
    return n, place


def _texts(source: Run, x: Tensor, place: Path) -> Path:
    """Samples, (N, T), or walks, (N, steps, T), with an empty line between them: lines of a text file or a picture."""
    from counterfeit.data.images import save_png
    from counterfeit.data.labelled_images import written
    from counterfeit.data.sources.text_lines import TEXT, Text, write_lines

    texts = source.source.raw
    if not isinstance(texts, Text):
        raise ValueError(f"{place} came; {source.name} was not trained on texts. Choose a .npy or a .png.")
    writable(str(place))
    walks = [texts.decode(walk) for walk in x] if x.ndim == 3 else [texts.decode(x)]
    lines = [line for i, way in enumerate(walks) for line in ([""] if i else []) + way]
    if place.suffix.lower() == TEXT:
        write_lines(lines, place)
    else:
        save_png(place, written(lines, "#000000", "#ffffff"))
    return place


def _as_texts(source: Run, place: Path) -> bool:
    """Whether what goes there is written as lines of text."""
    from counterfeit.data.sources.text_lines import TEXT, Text

    suffix = place.suffix.lower()
    return suffix == TEXT or (suffix == ".png" and isinstance(source.source.raw, Text))


def _draw(source: Run, args: argparse.Namespace, n: int, y: Any = None) -> Tensor:
    """So many samples, as the options say."""
    options = {name: getattr(args, name) for name in OPTIONS}
    return source.sample(n, args.seed, y, args.mean and y is None, True, **options)


def _steps(source: Run, args: argparse.Namespace, place: Path) -> tuple[int, Path]:
    """What samples are after each step: an animation, or a row each."""
    from counterfeit.inference.draws import trajectory
    from counterfeit.inference.sampling import sampling
    from counterfeit.report.figures.walks import write_steps, writes_walks

    writes_walks(place)
    n, names = args.n or 64, [name.strip() for name in (args.classes or "").split(",") if name.strip()]
    y = [names[i * len(names) // n] for i in range(n)] if names else None
    with sampling(source.model, {name: getattr(args, name) for name in OPTIONS}):
        return n, write_steps(trajectory(source, n, args.seed, y), place, source.source.span)


def _sample(source: Run, args: argparse.Namespace, place: Path) -> tuple[int, Path]:
    from counterfeit.data.sources.table import TABLES

    if place.suffix.lower() in TABLES:
        return _rows(source, args, place)
    if _as_texts(source, place):
        return args.n or 64, _texts(source, _draw(source, args, args.n or 64), place)
    from counterfeit.report.export import write_rows, write_samples
    from counterfeit.report.figures.label_rows import rows_asked

    rate = source.source.raw.rate
    n, (out, _) = args.n or 64, samples_writable(str(place), place, rate)
    rows = rows_asked(source, args.classes, args.per_class, args.caption, n)
    if rows is None:
        y = None if args.series is None else _series(source, Path(args.series))
        return n, write_samples(_draw(source, args, n, y), out, source.source.span, rate)
    x = _draw(source, args, len(rows.asked), rows.asked)
    return len(x), write_rows(x, rows.texts, rows.counts, out, source.source.span, rate)


def _series(source: Run, path: Path) -> Tensor:
    """What a file holds, brought to the frames of an example, (channels, frames)."""
    import torch

    from counterfeit.common.files import UNREADABLE
    from counterfeit.data.sounds import read_series, series_of_clips

    spec = source.source.spec
    if not spec.series:
        raise ValueError(f"--series came; {source.name} learnt from data without a second series. Leave it out.")
    try:
        y = read_series(path.read_bytes(), str(path))
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read ({error}). Give a .npy or a .csv.") from None
    return torch.from_numpy(series_of_clips(y, spec.shape[-1], spec.shape[-1], spec)[0])


def _walk(source: Run, args: argparse.Namespace, place: Path) -> tuple[int, Path]:
    from counterfeit.report.figures.walks import walk, write_walks, writes_walks

    if not (texts := _as_texts(source, place)):
        writes_walks(place)
    x = walk(source, args.interpolate, args.steps, args.path, args.seed)
    if texts:
        return args.interpolate, _texts(source, x, place)
    return args.interpolate, write_walks(x, place, source.source.span)
