"""Topics: what they find holds, how it is told, recorded and drawn; what needs long training stands in results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import counterfeit as cf
from counterfeit.cli import main
from counterfeit.report.theory import TOPICS
from counterfeit.report.theory.topic import Evidence, informed, lesson, record
from counterfeit.report.theory.watch import watched

EXACT = ("families", "football", "divergences", "convergence", "parameters", "likelihood", "bayes", "elbo", "nash")
RESULTS = Path(__file__).parents[1] / "results" / "theory.json"


@pytest.fixture(scope="module")
def lessons():
    return {topic: lesson(topic) for topic in EXACT}


@pytest.mark.parametrize("topic", EXACT)
def test_what_is_exact_holds(lessons, topic):
    assert [finding.what for finding in lessons[topic].findings if not finding.holds] == []


@pytest.mark.parametrize("topic", EXACT)
def test_figures_are_drawn_for_light_and_for_dark_pages(lessons, topic):
    for figure in lessons[topic].figures:
        assert figure.picture.data.startswith(b"<?xml")
        assert figure.dark.data != figure.picture.data
        assert figure.caption
        assert figure.alt


def test_figures_are_the_same_every_time(lessons):
    assert lesson("parameters").figures == lessons["parameters"].figures


def test_recorded_results_hold():
    recorded = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert {row["topic"] for row in recorded["rows"]} == {*TOPICS}
    assert [row["what"] for row in recorded["rows"] if not row["holds"]] == []


@pytest.mark.parametrize(
    ("found", "relation", "holds"), [(1.0, "=", True), (1.2, "=", False), (1.2, ">=", True), (1.2, "<=", False)]
)
def test_finding_holds_within_its_tolerance(found, relation, holds):
    assert Evidence("x", found, 1.0, 0.1, relation).holds is holds


def test_what_is_no_number_does_not_hold():
    assert not Evidence("x", float("nan"), 1.0, 0.1).holds
    assert not Evidence("x", float("nan"), 1.0, relation="<=").holds


def test_information_is_told_in_its_unit():
    finding = informed("bits", "entropy", 0.6931471805599453, 0.69, 0.1)
    assert finding.what == "entropy, bits"
    assert finding.found == pytest.approx(1)
    assert finding.expected == "0.99546 ± 0.14"


def test_units_of_a_topic_can_be_chosen():
    bits, nats = (lesson("football", unit).findings[2] for unit in ("bits", "nats"))
    assert bits.found == pytest.approx(4.3219, abs=1e-4)
    assert nats.found == pytest.approx(2.9957, abs=1e-4)


def test_the_surprise_of_the_match_is_that_the_favourite_loses():
    found = {finding.what: finding.found for finding in lesson("football", "bits").findings}
    assert found["information of a draw of 14%, bits"] == pytest.approx(2.837, abs=5e-4)
    assert found["information of a loss of 5%, bits"] == pytest.approx(4.322, abs=5e-4)


def test_unknown_topic_is_refused():
    with pytest.raises(ValueError, match="did you mean 'football'"):
        lesson("footbal")


def test_recording_again_replaces_a_topic_and_keeps_the_others(tmp_path, lessons):
    file = tmp_path / "theory.json"
    for topics, command in ((("football", "parameters"), "first"), (("football",), "second")):
        record({topic: lessons[topic] for topic in topics}, file, command)
    found = json.loads(file.read_text())
    assert [row["topic"] for row in found["rows"]] == ["football"] * 6 + ["parameters"] * 18
    assert found["commands"] == ["second", "first"]
    assert found["topics"]["football"]["protocol"] == lessons["football"].protocol


def test_a_watched_run_shows_its_initial_and_its_later_weights():
    waits = {"train.parts.generator.lr": 0.0, "train.parts.generator.ema": 0.0}
    seen = [
        (step, game.generator.body.last.bias.item(), game.discriminator.last.bias.item())
        for step, game in watched("gan-bimodal", 4, 2, 0, waits)
    ]
    steps, waiting, moving = zip(*seen, strict=True)
    assert steps == (0, 2, 4)
    assert len(set(waiting)) == 1
    assert len(set(moving)) == 3


def test_command_lists_topics(capsys):
    assert main(["theory", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [*TOPICS]


def test_command_prints_findings_and_writes_figures(tmp_path, capsys):
    assert main(["theory", "parameters", "--out", str(tmp_path / "figures")]) == 0
    assert "chain, 2n − 1: dimension for n = 6" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["parameters-dark.svg", "parameters.svg"]


def test_command_speaks_json_and_records(tmp_path, capsys):
    file = tmp_path / "theory.json"
    arguments = ["theory", "football", "--units", "nats", "--out", str(tmp_path), "--record", str(file), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)["football"]
    assert all(finding["holds"] for finding in told["findings"])
    assert [figure["name"] for figure in told["figures"]] == ["football"]
    assert json.loads(file.read_text())["commands"][0].startswith("counterfeit theory football --units nats")


def test_bad_topic_is_one_line_and_status_two(capsys):
    assert main(["theory", "fotball"]) == 2
    expected = "counterfeit theory: error: topic 'fotball' is unknown; did you mean 'football'?\n"
    assert capsys.readouterr().err == expected


def test_theory_is_part_of_the_package():
    assert "theory" in cf.__all__
    assert float(cf.theory.information.entropy([0.5, 0.5], "bits")) == 1
    assert torch.is_tensor(cf.theory.game.optimal_logits(torch.zeros(2), torch.zeros(2)))


def test_command_says_how_long_topics_take_and_where_it_stands(tmp_path, capsys):
    assert main(["theory"]) == 0
    assert "about 2 min" in capsys.readouterr().out
    assert main(["theory", "parameters", "football", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "theory: parameters, about 4 s (1 of 2)" in said
    assert "theory: football, about 3 s (2 of 2)" in said


def test_all_stands_for_every_topic(tmp_path, capsys, monkeypatch):
    worked = lesson("parameters")
    monkeypatch.setattr("counterfeit.report.theory.topic.lesson", lambda *args: worked)
    assert main(["theory", "all", "--out", str(tmp_path), "--json"]) == 0
    assert [*json.loads(capsys.readouterr().out)] == [*TOPICS]
