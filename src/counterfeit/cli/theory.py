"""See the theory of adversarial nets hold: found numbers beside what theory says, and figures."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from counterfeit.cli.options import writable
from counterfeit.cli.output import Watch, say, table
from counterfeit.common.files import dumps
from counterfeit.report.theory import TOPICS

if TYPE_CHECKING:
    from counterfeit.report.theory.topic import Lesson

MINUTES = sum(topic.seconds for topic in TOPICS.values()) / 60
SUMMARY = "see the theory of adversarial nets hold, in numbers and figures"
EXAMPLE = f"""examples:
  counterfeit theory                               list the topics, and how long each takes
  counterfeit theory all --out lecture             about {MINUTES:.0f} minutes of one core
  counterfeit theory football --units bits
  counterfeit theory fits convergence --out lecture
  counterfeit theory discriminator game --record results/theory.json
"""


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("topics", metavar="TOPIC", nargs="*", help=f"{', '.join(TOPICS)}, or all (default: list them)")
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
    from counterfeit.report.html.figure import save
    from counterfeit.report.theory.topic import check, lesson, record

    topics = list(TOPICS) if args.topics == ["all"] else list(dict.fromkeys(args.topics))
    check(topics)
    out, kept = writable(args.out, folder=True), writable(args.record)
    lessons = {}
    for number, topic in enumerate(topics, 1):
        with Watch("theory") as watch:
            watch(f"{topic}, {_about(TOPICS[topic].seconds)}", number, len(topics))
            lessons[topic] = lesson(topic, args.units, args.seed)
        if out:
            save(lessons[topic].figures, out)
        if not args.json:
            _tell(topic, lessons[topic])
    if kept:
        say(f"Recorded: {record(lessons, kept, shlex.join(['counterfeit', 'theory', *arguments]))}")
    if args.json:
        print(dumps({topic: worked.to_dict() for topic, worked in lessons.items()}))
    elif out:
        say(f"Figures: {out}")
    return 0


def _list(as_json: bool) -> int:
    columns = ("name", "summary", "unit", "seconds")
    rows = [(name, topic.summary, topic.unit, topic.seconds) for name, topic in TOPICS.items()]
    if as_json:
        print(dumps([dict(zip(columns, row, strict=True)) for row in rows]))
    else:
        table(("topic", "what", "unit", "takes"), [(*row[:3], _about(row[3])) for row in rows])
    return 0


def _about(seconds: float) -> str:
    """How long a topic takes, in words."""
    return f"about {seconds:.0f} s" if seconds < 60 else f"about {seconds / 60:.0f} min"


def _tell(topic: str, worked: Lesson) -> None:
    print(topic)
    rows = [(f.what, f"{f.found:.5g}", f.expected, "yes" if f.holds else "NO") for f in worked.findings]
    table(("what", "found", "theory", "holds"), rows)
    print(f"{worked.protocol}\n")
