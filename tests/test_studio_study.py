"""User studies: balanced, blind, and with no answer lost or doubled; their statistics are the evaluation's."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from counterfeit.metrics.stats.user_study import Trials, bradley_terry, forced_choice, read_trials, read_wins
from counterfeit.studio.requests import MissingError
from counterfeit.studio.study.store import Plan, Store
from counterfeit.studio.study.studies import alike, noise, results
from studios import headers, smoke, studio

PLAN = Plan("which?", "real", ("first",), trials=8, checks=2)


def files(plan: Plan) -> list[list[bytes]]:
    sides = [torch.rand(plan.pairs, 1, 8, 8), torch.rand(plan.pairs, 1, 8, 8)]
    return [*alike(sides), noise(plan, sides)]


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "studies.sqlite")
    yield found
    found.close()


def take(store: Store, key: str, choose) -> str:
    """Answer every pair by `choose(number, left, right)`; the ticket."""
    ticket = store.join(key)
    while not (shown := store.next(key, ticket))["done"]:
        both = [store.picture(key, ticket, shown["number"], side, shown[side]) for side in ("left", "right")]
        store.answer(key, ticket, shown["number"], choose(shown["number"], *both))
    return ticket


@pytest.mark.parametrize("plan", [PLAN, Plan("x", "pair", ("a", "b"), trials=40, checks=0)])
def test_every_pair_is_seen_once_with_either_side_on_the_left_as_often(store, plan):
    pictures = files(plan)
    key = store.create(plan, pictures)
    for _ in range(3):
        seen = []
        take(store, key, lambda number, left, right, seen=seen: seen.append((left, right)) or "left")
        real = [(left in pictures[0]) for left, right in seen if not {left, right} & {*pictures[2]}]
        assert Counter(real) == {True: plan.trials // 2, False: plan.trials // 2}
        shown = Counter(picture for pair in seen for picture in pair)
        assert max(shown.values()) == 1
        assert len(shown) == 2 * plan.pairs
    orders = {row["rater"]: [] for row in store.answers(key)}
    for row in store.answers(key):
        orders[row["rater"]].append(row["pair"])
    assert len({*map(tuple, orders.values())}) == 3  # each sees another order


def test_nothing_about_a_picture_tells_where_it_is_from(store):
    pictures = files(PLAN)
    assert len({len(data) for side in pictures for data in side}) == 1
    for data in (pictures[0][0], pictures[1][0], pictures[2][0]):
        assert [kind for kind in (b"tEXt", b"iTXt", b"eXIf", b"tIME") if kind in data] == []
        assert Image.open(io.BytesIO(data)).size == (256, 256)
    key = store.create(PLAN, pictures)
    tokens = []
    for _ in range(2):
        ticket = store.join(key)
        shown = store.next(key, ticket)
        assert {*shown} == {"done", "number", "of", "seconds", "kind", "left", "right"}
        tokens += [shown["left"], shown["right"]]
        with pytest.raises(MissingError):
            store.picture(key, ticket, shown["number"], "left", shown["right"])
        with pytest.raises(MissingError):  # a later pair, before it is shown
            store.picture(key, ticket, shown["number"] + 1, "left", shown["left"])
    assert len({*tokens}) == 4
    with pytest.raises(ValueError, match="size"):
        store.create(PLAN, [[b"x"], [b"xy"], []])


def test_the_first_answer_stays(store):
    key = store.create(PLAN, files(PLAN))
    ticket = store.join(key)
    shown = store.next(key, ticket)
    for choice in ("left", "right", "right"):
        store.answer(key, ticket, shown["number"], choice)
    store.next(key, ticket)
    (row,) = store.answers(key)
    first_left = [row["first"]]
    assert first_left in ([True], [False])
    with pytest.raises(MissingError):
        store.answer(key, ticket, 9, "left")  # not shown yet
    with pytest.raises(MissingError):
        store.answer(key, "somebody", shown["number"], "left")
    with pytest.raises(ValueError, match="expected"):
        store.answer(key, ticket, shown["number"], "both")


def test_a_late_answer_is_none(store, monkeypatch):
    from counterfeit.studio.study import store as module

    key = store.create(Plan("x", "real", ("a",), trials=2, checks=0, seconds=3), files(Plan("x", "real", ("a",), 2, 0)))
    ticket = store.join(key)
    shown = store.next(key, ticket)
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 60)
    store.answer(key, ticket, shown["number"], "left")
    assert store.answers(key) == []


def test_fifty_people_at_once_lose_and_double_nothing(store):
    plan = Plan("x", "real", ("first",), trials=40, checks=0)
    pictures = files(plan)
    real = {*pictures[0]}
    key = store.create(plan, pictures)

    def person(i):
        return take(store, key, lambda n, left, right: "left" if (left in real) == (n % 4 != 0) else "right")

    with ThreadPoolExecutor(50) as pool:
        assert len({*pool.map(person, range(50))}) == 50
    answers = store.answers(key)
    assert len(answers) == 50 * 40
    assert len({(row["rater"], row["pair"]) for row in answers}) == 2_000
    assert sum(row["first"] for row in answers) == 50 * 30
    assert store.counts(key) == {"joined": 50, "done": 50}


ENDLESS = """
import sys
from counterfeit.studio.study.store import Store
store = Store(sys.argv[1])
while True:
    ticket = store.join(sys.argv[2])
    while not (shown := store.next(sys.argv[2], ticket))["done"]:
        store.answer(sys.argv[2], ticket, shown["number"], "left")
        print(ticket, shown["number"], flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(store, tmp_path):
    key = store.create(PLAN, files(PLAN))
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "studies.sqlite"), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        told = [child.stdout.readline() for _ in range(57)]
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.read().splitlines(keepends=True)
    whole = {line.strip() for line in told if line.endswith("\n")}
    again = Store(tmp_path / "studies.sqlite")
    kept = again._rows("select participant || ' ' || number from trials where choice = 'left'")
    again.close()
    assert len(whole) >= 57
    assert whole <= {row[0] for row in kept}


def rows(answers):
    keys = ("rater", "pair", "check", "first", "seconds")
    return [dict(zip(keys, answer, strict=True)) for answer in answers]


def test_the_statistics_are_those_of_the_evaluation():
    answers = rows([(rater, pair, False, (rater + pair) % 3 != 0, 1.0) for rater in range(6) for pair in range(10)])
    correct = torch.tensor([row["first"] for row in answers])
    expected = forced_choice(Trials(correct, [str(row["rater"]) for row in answers]))
    assert results(PLAN, answers)["attentive"] == expected._asdict()
    pair = results(Plan("x", "pair", ("a", "b")), answers)["attentive"]
    wins = torch.tensor([[0, int(correct.sum())], [int((~correct).sum()), 0]])
    assert pair["ability"] == bradley_terry(wins)[0].tolist()


def test_who_misses_the_checks_is_left_out():
    good = [(1, pair, False, True, 1.0) for pair in range(4)] + [(1, 9, True, True, 1.0)]
    bad = [(2, pair, False, False, 1.0) for pair in range(4)] + [(2, 9, True, False, 1.0)]
    found = results(PLAN, rows(good + bad))
    assert (found["left_out"], found["attentive"]["share"], found["all"]["share"]) == (1, 1.0, 0.5)
    assert results(PLAN, [])["attentive"] is None


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    smoke("gan", folder / "first")
    smoke("vae", folder / "second")
    return folder


@pytest.mark.parametrize(("models", "read"), [(["first"], read_trials), (["first", "second"], read_wins)])
def test_a_study_is_made_taken_and_read_as_the_command_reads_it(root, tmp_path, models, read):
    with studio(root) as client:
        body = {"name": "two", "models": models, "trials": 4, "checks": 1}
        key = client.post("/api/studies", json=body, headers=headers()).json()["key"]
        for _ in range(2):
            ticket = client.post(f"/api/take/{key}/join", headers=headers()).json()["ticket"]
            while True:
                shown = client.post(f"/api/take/{key}/next", json={"ticket": ticket}, headers=headers()).json()
                if shown["done"]:
                    break
                address = f"/api/take/{key}/{ticket}/{shown['number']}/left/{shown['left']}"
                picture = client.get(address)
                assert picture.content.startswith(b"\x89PNG")
                assert picture.headers["cache-control"] == "no-store"
                said = {"ticket": ticket, "number": shown["number"], "choice": "left"}
                assert client.post(f"/api/take/{key}/answer", json=said, headers=headers()).json() == {"kept": True}
        found = client.get(f"/api/studies/{key}").json()
        assert (found["joined"], found["done"], found["answers"]) == (2, 2, 8)
        file = tmp_path / "answers.csv"
        file.write_text(client.get(f"/api/studies/{key}/answers.csv").text, encoding="utf-8")
        read(file)
        client.post(f"/api/studies/{key}/delete", headers=headers())
        assert client.get(f"/api/studies/{key}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"models": []}, {"models": ["none"]}, {"models": "first"}, {"models": ["first"], "trials": 3},
     {"models": ["first"], "trials": 10**6}, {"models": ["first"], "trials": 400}, {"models": ["first"], "name": " "}],
)  # fmt: skip
def test_a_study_that_cannot_be_is_an_error_in_a_line(root, body):
    with studio(root) as client:
        answer = client.post("/api/studies", json={"name": "x", **body}, headers=headers())
        assert answer.status_code in (400, 404)
        assert "\n" not in answer.json()["error"]
        assert client.get("/api/studies").json()["studies"] == []


def test_others_on_the_network_reach_studies_alone(root):
    """Nothing listens there until it is asked for, and not once it was taken back."""
    with studio(root) as client:
        body = {"name": "two", "models": ["first"], "trials": 2, "checks": 0}
        key = client.post("/api/studies", json=body, headers=headers()).json()["key"]
        assert client.get("/api/studies").json()["shared"] == []
        shared = client.post("/api/studies/share", json={"on": True}, headers=headers()).json()["shared"]
        port = re.search(r":(\d+)", shared[0])[1]

        def code(path):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                    return answer.status, answer.read().decode("utf-8", "replace")
            except urllib.error.HTTPError as error:
                return error.code, ""

        status, page = code(f"/take/{key}")
        assert status == 200
        assert '"first"' not in page
        assert 'name="csrf" content=""' in page
        for path in ("/", "/api/runs", "/api/studies", f"/api/studies/{key}", "/runs/first", f"/take/{key}/x.csv"):
            assert code(path)[0] in (404, 405), path
        assert client.post("/api/studies/share", json={"on": False}, headers=headers()).json()["shared"] == []
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/take/{key}", timeout=5)
        client.post(f"/api/studies/{key}/delete", headers=headers())
