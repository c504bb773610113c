"""The command `counterfeit`: one thin file a verb, imported only when that verb runs."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import counterfeit
from counterfeit.cli.errors import is_main, reported
from counterfeit.cli.plain import readable

__all__ = ["main", "parser_of", "verbs"]

FIRST = (
    "train", "resume", "sample", "encode", "complete", "translate", "predict", "score", "evaluate", "compare",
    "benchmark", "reproduce", "report", "studio", "study", "theory", "list", "data", "doctor",
)  # fmt: skip
"""The order in which verbs are listed; others follow."""

EXAMPLES = """examples:
  counterfeit train gan                                   train on the bundled digits and leave a report
  counterfeit train gan --data ~/pictures --data.size 32  on your own pictures
  counterfeit list recipes                                everything that can be trained
  counterfeit VERB --help                                 options of a verb
"""


@cache
def verbs() -> dict[str, str]:
    """Verb -> what it does, of every file here that says so; none of them is imported."""
    with os.scandir(os.path.dirname(__file__)) as files:  # pathlib takes a tenth of the time of `--help` to import
        texts = {file.name[:-3]: _text(file.path) for file in files if file.name.endswith(".py")}
    found = {name: said[1] for name, text in texts.items() if (said := re.search(r'^SUMMARY = "(.*)"$', text, re.M))}
    rest = sorted(found.keys() - {*FIRST})
    return {name: found[name] for name in (*FIRST, *rest)}


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what an unknown option may have meant, and leave with status 2."""
        message += self._meant(message)
        self.exit(2, f"{self.prog}: error: {message}. See `{self.prog} --help`.\n" if is_main() else None)

    def _meant(self, message: str) -> str:
        from counterfeit.common.spelling import nearest

        choice = re.match(r"argument \S+: invalid choice: '(.+?)' \(choose from (.+)\)", message)
        if choice:
            hint = nearest(choice[1], re.findall(r"[\w-]+", choice[2]), self.prog)
            return f"; {hint}".rstrip("?") if hint.startswith("did you mean") else ""
        unknown = re.match(r"unrecognized arguments: --([\w-]+)", message)
        if not unknown:
            return ""
        options = [(one, [o for o in one.option_strings if o.startswith("--")]) for one in self._actions]
        known = {names[0][2:]: one.help or "" for one, names in options if names}
        hint = nearest(unknown[1], known, self.prog)
        named = re.sub(r"'(?=[\w-]+')", "'--", hint)
        return f"; {named}" if hint.startswith("did you mean") else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the status: 2 for bad input, 1 for the machine's failures, 128 + n for signal n."""
    readable()
    parser = _parser()
    arguments = [*(sys.argv[1:] if argv is None else argv)]
    first = next((a for a in arguments if not a.startswith("-")), None)
    if first in verbs() and arguments[0] == first:
        return _run(first, arguments[1:])
    parser.parse_args(arguments)
    parser.print_help()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        "counterfeit", description="A laboratory for generative models.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"counterfeit {counterfeit.__version__}")
    known = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, summary in verbs().items():
        known.add_parser(name, help=summary)
    return parser


def _run(verb: str, arguments: list[str]) -> int:
    return reported(lambda: _carry_out(verb, arguments), verb)


def _carry_out(verb: str, arguments: list[str]) -> int:
    parser = parser_of(verb)
    module = importlib.import_module(f"counterfeit.cli.{verb}")
    if getattr(module, "OF_RUNS", False):
        _own(arguments)
    run = module.run
    if {"-h", "--help"} & {*arguments} or getattr(module, "LIGHT", False):  # answers at once, without PyTorch
        return int(run(parser, arguments))
    from counterfeit.common.threads import using

    with using(1):  # more where the work of a run or of an operation is worth them
        return int(run(parser, arguments))


def parser_of(verb: str) -> argparse.ArgumentParser:
    """What reads the options of a verb."""
    module = importlib.import_module(f"counterfeit.cli.{verb}")
    parser = Parser(
        f"counterfeit {verb}", description=module.__doc__, epilog=module.EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, add_help=verb != "train",
    )  # fmt: skip
    module.options(parser)
    if getattr(module, "OF_RUNS", False):
        parser.add_argument("--model-class", metavar="MODULE:CLASS", help="the class of a run's model of your own")
    return parser


def _own(arguments: list[str]) -> None:
    """Import the classes of models that are named, before runs of them are opened."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--model-class", action="append")
    try:
        named = finder.parse_known_args(arguments)[0].model_class
    except argparse.ArgumentError:
        return  # the verb's own parser says what is wrong
    if named:
        from counterfeit.catalogue import own

        for name in named:
            own(name)
