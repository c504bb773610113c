"""See the theory of adversarial nets hold: found numbers beside what theory says, and figures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from counterfeit.cli.output import say, table
from counterfeit.report.theory import TOPICS

if TYPE_CHECKING:
    from counterfeit.report.theory.topic import Lesson

EXAMPLE = """examples:
  counterfeit theory                               list the topics
  counterfeit theory football --units bits
  counterfeit theory fits convergence --out lecture
  counterfeit theory discriminator game --record results/theory.json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("topics", metavar="TOPIC", nargs="*", help=f"{', '.join(TOPICS)} (default: list them)")
    parser.add_argument("--out", default="theory", metavar="DIR", help="folder of the figures (default: theory)")
    parser.add_argument("--units", choices=("nats", "bits"), help="of information (default: the topic's customary)")
    parser.add_argument("--seed", type=int, default=0, help="of what is trained or drawn (default: 0)")
    parser.add_argument("--record", metavar="FILE", help="keep findings, protocols and the command in a JSON file")
    parser.add_argument("--json", action="store_true", help="print {topic: {findings, protocol, figures}}")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Work out topics."""
    args = parser.parse_args(arguments)
    if not args.topics:
        return _list(args.json)
    from counterfeit.report.figure import save
    from counterfeit.report.theory.topic import check, lesson, record

    check(args.topics)
    lessons = {}
    for topic in dict.fromkeys(args.topics):
        lessons[topic] = lesson(topic, args.units, args.seed)
        save(lessons[topic].figures, Path(args.out))
        if not args.json:
            _tell(topic, lessons[topic])
    if args.record:
        say(f"Recorded: {record(lessons, Path(args.record), _command(args))}")
    if args.json:
        print(json.dumps({topic: worked.to_dict() for topic, worked in lessons.items()}))
    else:
        say(f"Figures: {args.out}")
    return 0


def _list(as_json: bool) -> int:
    rows = [(name, topic.summary, topic.unit) for name, topic in TOPICS.items()]
    if as_json:
        print(json.dumps([dict(zip(("name", "summary", "unit"), row, strict=True)) for row in rows]))
    else:
        table(("topic", "what", "unit"), rows)
    return 0


def _tell(topic: str, worked: Lesson) -> None:
    print(topic)
    rows = [(f.what, f"{f.found:.5g}", f.expected, "yes" if f.holds else "NO") for f in worked.findings]
    table(("what", "found", "theory", "holds"), rows)
    print(f"{worked.protocol}\n")


def _command(args: argparse.Namespace) -> str:
    unit = [f"--units {args.units}"] if args.units else []
    seed = [f"--seed {args.seed}"] if args.seed else []
    return " ".join(["counterfeit theory", *args.topics, *unit, *seed, f"--out {args.out}", f"--record {args.record}"])
