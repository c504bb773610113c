"""Predict how videos go on: those of a split, or your own; under actions of your choice where the data have actions.

The first frames of each video are given, and each later frame is predicted from all before it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from counterfeit.cli.options import input_options, run_options, writable
from counterfeit.cli.output import counted, say
from counterfeit.common.files import dumps
from counterfeit.common.spelling import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from counterfeit.core import Batch
    from counterfeit.run.run import Run

SUMMARY = "predict how videos go on, under actions where the data have any"
OF_RUNS = True  # which may be of a class of models of one's own
EXAMPLE = """examples:
  counterfeit predict runs/films                                  test videos, each above its prediction
  counterfeit predict runs/films --given 3 --steps 30 --out on.gif  thirty frames after three, as an animation
  counterfeit predict runs/films --input walk.gif --out walks.png   a video of yours, or a folder or zip of videos
  counterfeit predict runs/block --actions right,right,up,up      what would follow from these actions
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help="a run folder of a model that predicts videos")
    parser.add_argument("--given", metavar="FRAMES", type=int, help="how many frames are given of each video")
    parser.add_argument("--steps", metavar="FRAMES", type=int, help="how many are predicted (default: what follows)")
    parser.add_argument("--actions", metavar="A,B,…", help="what is done after each frame, from the last given one on")
    input_options(parser, 4, "videos")
    parser.add_argument("--seed", type=int, default=0, help="of what a model draws (default: 0)")
    parser.add_argument(
        "--out",
        help="a .png with a row for each video and, where they are true, one of its own frames above it; a .gif or "
        ".webp, in which they run; or a .npy array (N, steps, C, H, W) (default: RUN/predictions.png)",
    )
    run_options(parser)


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Predict."""
    args = parser.parse_args(arguments)
    from counterfeit.core import Predicts, require
    from counterfeit.data.sources.arrays import SUFFIXES
    from counterfeit.report.figures.walks import write_steps, writes_walks
    from counterfeit.run.run import Run

    for name in ("count", "given", "steps"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name} {getattr(args, name)} came; at least 1 is expected.")
    source = Run(args.run, args.checkpoint, args.device)
    require(source.model, Predicts)
    out = Path(args.out) if args.out else source.path / "predictions.png"
    writes_walks(out)
    writable(str(out))
    x, steps, actions, truth = arranged(source, args)
    found = source.predict(x, steps, actions, seed=args.seed)
    given, after = source.source.natural(x), None if truth is None else source.source.natural(truth)
    arrays = out.suffix.lower() in SUFFIXES
    write_steps(found if arrays else shown(given, found, after), out, source.source.span)
    words = f"{counted(found.shape[1], 'frame')} after {x.shape[1]} of {counted(len(x), 'video')}"
    say(f"{words} predicted by {source.name}: {out}")
    if args.json:
        facts = {"run": args.run, "videos": len(x), "given": x.shape[1], "steps": found.shape[1]}
        print(dumps({**facts, "actions": args.actions, "seed": args.seed, "out": str(out)}))
    return 0


def videos(run: Run, args: argparse.Namespace, given: int) -> Batch:
    """Videos of a split with what belongs to them, or clips of one's own, as the model sees them, (N, T, C, H, W)."""
    from counterfeit.core import Batch
    from counterfeit.data.selection import evenly_spaced
    from counterfeit.data.sources.video_folder import Videos

    if not args.input:
        return evenly_spaced(run.source, args.split, args.count)
    channels, size = run.source.spec.shape[1:3]
    x = Videos(args.input, max(2, given), size, span=run.source.span).clips.first(args.count).x
    if x.shape[2] > channels:
        raise ValueError(f"{args.input} is in color; {run.name} learnt gray videos. Turn it gray first.")
    return Batch(run.source.transform(x.expand(-1, -1, channels, -1, -1)))


def arranged(run: Run, args: argparse.Namespace) -> tuple[Tensor, int, Tensor | None, Tensor | None]:
    """Frames that are given, how many steps are predicted, after what actions, and the frames that truly follow."""
    from counterfeit.inference.prediction import horizon

    names, frames = run.source.spec.actions, run.source.spec.shape[0]
    given = args.given or frames - horizon(frames)
    chosen = acted(args.actions, names, run.name)
    if args.steps and chosen and args.steps != len(chosen):
        raise ValueError(f"--steps {args.steps} and {counted(len(chosen), 'action')} came; one each is expected.")
    some = videos(run, args, given)
    if given > some.x.shape[1] - (not args.input):
        raise ValueError(f"--given {given} came; videos have {frames} frames, and one must be left. Lower it.")
    x, after = some.x.tensor_split([given], 1)
    steps = args.steps or len(chosen) or (after.shape[1] if not args.input else horizon(frames))
    if not names:
        return x, steps, None, None if args.input else after
    if chosen or args.input:
        return *_under(x, some.y, chosen, names, args), None
    if some.y is None or steps > after.shape[1]:
        raise ValueError(f"--steps {steps} came; these videos go on for {after.shape[1]}. Say what is done: --actions.")
    return x, steps, some.y[:, : given - 1 + steps], after


def _under(
    x: Tensor, y: Tensor | None, chosen: list[int], names: tuple[str, ...], args: argparse.Namespace
) -> tuple[Tensor, int, Tensor]:
    """Frames, steps, and actions: those between the frames, which only the data know, and those that were chosen."""
    import torch

    if not chosen:
        raise ValueError(f"no --actions came with --input; some of {', '.join(names)} are expected.")
    if args.input or y is None:  # nobody knows what was done between the frames: the last is what is left
        x, y = x[:, -1:], torch.zeros(len(x), 0, dtype=torch.int64)
    after = torch.tensor(chosen).expand(len(x), -1)
    return x, len(chosen), torch.cat([y[:, : x.shape[1] - 1], after], 1)


def acted(text: str | None, names: tuple[str, ...], who: str) -> list[int]:
    """The numbers of the actions in a text with commas between."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if parts and not names:
        raise ValueError(f"--actions {text} came; {who} learnt videos without any. Leave it out.")
    for part in parts:
        if part not in names:
            raise ValueError(f"--actions: {part!r} is unknown; {nearest(part, [*names])}")
    return [names.index(part) for part in parts]


def shown(given: Tensor, found: Tensor, truth: Tensor | None) -> Tensor:
    """Rows of frames, (rows, frames, C, H, W): what was given and predicted, each below what truly follows if known."""
    import torch

    below = torch.cat([given, found], 1)
    if truth is None:
        return below
    after = truth[:, : found.shape[1]]
    gray = after.new_full((len(after), found.shape[1] - after.shape[1], *after.shape[2:]), 0.5)
    return torch.stack([torch.cat([given, after, gray], 1), below], 1).flatten(0, 1)
