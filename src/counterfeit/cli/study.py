"""Statistics of a study in which people chose between two pictures: told from real data, or compared in pairs.

FILE is a CSV file with a line for each answer, and columns in any order, beside which there may be others:
rater, model, correct (1 or 0), where people had to tell a sample of the model from a real example;
winner, loser, where they chose between samples of two models.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from counterfeit.cli.output import table
from counterfeit.common.files import dumps

SUMMARY = "statistics of a study in which people chose between pictures"
EXAMPLE = """examples:
  counterfeit study answers.csv             share of right answers: exact test, intervals, d'
  counterfeit study pairs.csv --json        abilities by Bradley and Terry
"""
GUESSING = (
    "0.5 is guessing. p and the 95 % interval by Wilson take answers for independent; those of one person are not, "
    "which the interval over raters knows."
)
ABILITY = (
    "A model wins over another with probability 1 / (1 + exp(-difference of abilities)), by Bradley and Terry; errors "
    "take answers for independent."
)


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("file", metavar="FILE", help="a CSV file of answers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Work out a study."""
    args = parser.parse_args(arguments)
    from counterfeit.metrics.stats.user_study import columns

    (_pairs if {"winner", "loser"} & {*columns(args.file)} else _choices)(Path(args.file), args.json)
    return 0


def _choices(path: Path, as_json: bool) -> None:
    from counterfeit.metrics.stats.user_study import forced_choice, read_trials

    trials = read_trials(path)
    found = {model: forced_choice(answers) for model, answers in trials.items()}
    raters = {model: len(set(answers.raters)) for model, answers in trials.items()}
    if as_json:
        print(dumps({model: {**one._asdict(), "raters": raters[model]} for model, one in found.items()}))
        return
    rows = [
        (
            model, one.n, raters[model], f"{one.share:.3f}", _interval(one.wilson), _interval(one.clustered),
            f"{one.p:.4g}", f"{one.d_prime[0]:.2f} ± {one.d_prime[1]:.2f}",
        )
        for model, one in found.items()
    ]  # fmt: skip
    table(("model", "answers", "raters", "right", "95 %", "95 % over raters", "p", "d'"), rows)
    print(GUESSING)


def _pairs(path: Path, as_json: bool) -> None:
    from counterfeit.metrics.stats.user_study import bradley_terry, read_wins

    names, wins = read_wins(path)
    abilities, errors = (values.tolist() for values in bradley_terry(wins))
    won, played = wins.sum(1).tolist(), (wins + wins.T).sum(1).tolist()
    ranked = sorted(zip(names, abilities, errors, won, played, strict=True), key=lambda row: -row[1])
    keys = ("model", "ability", "error", "won", "comparisons")
    if as_json:
        print(dumps([dict(zip(keys, row, strict=True)) for row in ranked]))
        return
    table(("model", "ability", "won", "of"), [(name, f"{a:.2f} ± {e:.2f}", w, n) for name, a, e, w, n in ranked])
    print(ABILITY)


def _interval(bounds: tuple[float, float] | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else "one rater"
