"""The studio's rooms: runs and their trash, jobs that outlive it, models asked by page, live logs, words, games."""

from __future__ import annotations

import json
import math
import re
import time
from importlib.resources import files

import pytest
import torch

from counterfeit import catalogue
from counterfeit.inference.draws import evaluating
from counterfeit.run.run import Run
from counterfeit.studio import live
from counterfeit.studio.gate import CSRF
from counterfeit.studio.jobs import Jobs
from counterfeit.studio.runs import Runs
from counterfeit.studio.theory.playground import MODELS, Playground, painted
from counterfeit.studio.words import languages, preferred, words
from studios import ask, headers, smoke, studio


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    smoke("gan", folder / "first")
    smoke("rbm", folder / "chains")
    smoke("diffusion", folder / "noise")
    smoke("vae", folder / "codes")
    smoke("cyclegan", folder / "sets" / "domains")
    return folder


@pytest.fixture(scope="module")
def client(root):
    with studio(root) as found:
        yield found


def rows(client):
    return {row["name"]: row for row in client.get("/api/runs").json()["runs"]}


def test_the_list_says_where_every_run_stands(client):
    found = rows(client)
    assert {*found} == {"first", "chains", "noise", "codes", "sets/domains"}
    row = found["first"]
    assert (row["recipe"], row["family"], row["data"], row["state"]) == ("gan", "adversarial", "digits", "done")
    assert row["step"] == row["steps"] == 6
    assert client.get(f"/api/runs/first/picture/{row['picture']}").content.startswith(b"\x89PNG")


def test_a_deleted_run_comes_back_as_it_was(client, root):
    before = {path.relative_to(root): path.read_bytes() for path in (root / "codes").rglob("*") if path.is_file()}
    ticket = client.post("/api/runs/codes/delete", headers=headers()).json()["ticket"]
    assert "codes" not in rows(client)
    assert client.get("/api/runs/codes/history").status_code == 404
    assert client.post("/api/restore", json={"ticket": ticket}, headers=headers()).json() == {"run": "codes"}
    after = {path.relative_to(root): path.read_bytes() for path in (root / "codes").rglob("*") if path.is_file()}
    assert after == before
    assert client.post("/api/restore", json={"ticket": ticket}, headers=headers()).status_code == 404


def test_tags_stay(client, root):
    answer = client.post("/api/runs/first/tags", json={"tags": ["good", "2 layers", "good"]}, headers=headers())
    assert answer.json()["tags"] == ["good", "2 layers"]
    assert rows(client)["first"]["tags"] == ["good", "2 layers"]
    assert Runs(root).tags()["first"] == ["good", "2 layers"]


def test_a_damaged_run_hides_no_other(root):
    folder = root / "broken"
    folder.mkdir()
    (folder / "run.yaml").write_text("model: [")
    try:
        found = {row["name"]: row["state"] for row in Runs(root).rows()}
        assert found.pop("broken") == "damaged"
        assert len(found) == 5
    finally:
        (folder / "run.yaml").unlink()
        folder.rmdir()


def test_the_form_holds_every_setting_with_the_recipes_own_values(client):
    found = client.get("/api/recipes/dcgan").json()["settings"]
    by_key = {one["key"]: one for one in found}
    assert by_key["model.width"]["default"] == 32
    assert by_key["train.steps"]["default"] == 82000
    assert by_key["train.optimizer"]["choices"] == ["adam", "adamw", "sgd", "rmsprop", "adadelta"]
    assert all(one["help"] and one["type"] for one in found)
    assert client.get("/api/recipes/none").status_code == 404


def settled(client, run, wanted, patience=240.0):
    """The job of a run once it is in a state."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        job = [one for one in client.get("/api/jobs").json() if one["run"] == run][-1]
        if job["state"] in wanted:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{run} is {job['state']}: {client.get(f'/api/runs/{run}/log').text}")


TINY = {
    "train.steps": "6", "model.hidden": "[16]", "model.discriminator_hidden": "[16]", "train.save_every": "3",
    "train.threads": "1", "train.tensorboard": "false", "evaluate.metrics": "[nearest]", "evaluate.max_examples": "50",
    "evaluate.samples": "50", "data.name": "digits",
}  # fmt: skip


def test_runs_are_trained_one_after_the_other_by_processes_of_their_own(client, root):
    for name in ("one", "two"):
        client.post("/api/runs", json={"recipe": "gan", "name": name, "settings": TINY}, headers=headers())
    assert {job["run"]: job["state"] for job in client.get("/api/jobs").json()}["two"] == "waiting"
    again = client.post("/api/runs", json={"recipe": "gan", "name": "two", "settings": TINY}, headers=headers())
    assert again.status_code == 400
    settled(client, "two", ("done",))
    found = rows(client)
    assert (found["one"]["state"], found["two"]["state"], found["two"]["step"]) == ("done", "done", 6)
    differs = client.get("/api/runs/one/settings").json()["differs"]
    assert differs["model.hidden"] == [16]
    assert Run(root / "one").config.train.steps == 6


def test_a_wrong_setting_is_refused_before_anything_waits(client):
    count = len(client.get("/api/jobs").json())
    for settings, said in (({"train.lr": "fast"}, "train.lr"), ({"train.stepz": "3"}, "did you mean")):
        answer = client.post("/api/runs", json={"recipe": "gan", "settings": settings}, headers=headers())
        assert answer.status_code == 400
        assert said in answer.json()["error"]
    assert len(client.get("/api/jobs").json()) == count


def test_a_job_that_fails_says_why(client):
    settings = {**TINY, "data.name": "/nowhere/at/all"}
    client.post("/api/runs", json={"recipe": "gan", "name": "lost", "settings": settings}, headers=headers())
    assert "/nowhere/at/all" in settled(client, "lost", ("failed",))["error"]


def test_training_survives_the_studio_and_stops_and_goes_on(root):
    endless = {**TINY, "train.steps": "1000000", "train.save_every": "1000000"}
    with studio(root) as first:
        first.post("/api/runs", json={"recipe": "gan", "name": "long", "settings": endless}, headers=headers())
        settled(first, "long", ("running",))
    with studio(root) as second:
        deadline = time.monotonic() + 200
        while not (root / "long" / "events.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert settled(second, "long", ("running",))["state"] == "running"
        assert second.post("/api/runs/long/delete", headers=headers()).status_code == 400
        time.sleep(0.5)
        second.post("/api/runs/long/stop", headers=headers())
        settled(second, "long", ("stopped",))
        row = rows(second)["long"]
        assert row["state"] == "stopped"
        assert row["step"] > 0
        more = row["step"] + 5
        answer = second.post("/api/runs/long/resume", json={"steps": more}, headers=headers())
        assert answer.status_code == 200
        settled(second, "long", ("done",))
        assert rows(second)["long"]["step"] == more


def test_a_queue_is_read_again(tmp_path):
    runs = Runs(tmp_path)
    jobs = Jobs(runs, beside=0)
    jobs.add("later", ["train", "gan"])
    assert [job["run"] for job in Jobs(runs, beside=0).rows()] == ["later"]
    assert Jobs(runs, beside=0).stop("later").state == "stopped"


def test_history_and_stream_are_the_log(client, root):
    found = client.get("/api/runs/first/history").json()
    logged = [json.loads(line) for line in (root / "first" / "events.jsonl").read_text().splitlines()]
    assert [row["step"] for row in found["rows"]] == [row["step"] for row in logged if "finding" not in row]
    assert found["place"] == (root / "first" / "events.jsonl").stat().st_size
    assert [one["step"] for one in found["pictures"]][-1] == 6


def test_a_log_that_grows_is_told_once(tmp_path):
    import asyncio

    file = tmp_path / "events.jsonl"
    file.write_text('{"step": 1, "loss": 2.0}\n')

    async def told():
        looks = 0

        async def gone():
            nonlocal looks
            looks += 1
            if looks == 2:
                with file.open("a") as log:
                    log.write('{"step": 2, "loss": 1.0}\n{"step": 3, "lo')
            return looks > 4

        return [text async for text in live.stream(tmp_path, 0, gone, dict)]

    live_look, live.LOOK = live.LOOK, 0.01
    try:
        events = asyncio.run(told())
    finally:
        live.LOOK = live_look
    told_rows = [json.loads(text.split("data: ")[1])["rows"] for text in events if "event: rows" in text]
    steps = [row["step"] for some in told_rows for row in some]
    assert steps == [1, 2]


# Models -------------------------------------------------------------------------------------------------------------


def test_what_a_model_can_do_is_told(client):
    able = {name: ask(client, name, "able") for name in ("first", "chains", "noise", "codes", "sets/domains")}
    assert able["first"]["codes"] == 4
    assert able["first"]["judges"]
    assert able["chains"]["chain"]
    assert able["chains"]["completes"]
    assert able["noise"]["steps"]
    assert able["codes"]["encodes"]
    assert able["codes"]["scores"][0] == "elbo"
    assert len(able["sets/domains"]["domains"]) == 2
    assert not able["sets/domains"]["samples"]


def pixels(found):
    """The pictures of an answer, (N, H, W), in [0, 1]."""
    import base64
    import io

    import numpy as np
    from PIL import Image

    array = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["uri"].split(",")[1]))), dtype=np.float32) / 255
    h, w, across = found["height"], found["width"], found["across"]
    cells = [array[i // across * h :][:h, i % across * w :][:, :w] for i in range(found["count"])]
    return torch.from_numpy(np.stack(cells))


def test_samples_are_those_of_the_run(client, root):
    found = ask(client, "first", "sample", n=20, seed=3)
    expected = Run(root / "first").sample(20, seed=3, mean=True)[:, 0]
    torch.testing.assert_close(pixels(found), expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_code_decodes_to_what_the_model_says(client, root):
    begun = ask(client, "first", "start", seed=5)
    found = pixels(ask(client, "first", "decode", z=[begun["z"]]))
    run = Run(root / "first")
    with evaluating(run.model, 5):
        z = run.model.prior(1)
    torch.testing.assert_close(torch.tensor(begun["z"]), z[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(found, run.decode(z)[:, 0], atol=0.5 / 255 + 1e-5, rtol=0)


def test_the_first_direction_changes_samples_most(client, root):
    directions = torch.tensor(ask(client, "codes", "start")["directions"])
    run = Run(root / "codes")
    z = torch.zeros(1, directions.shape[1])
    changes = [float((run.decode(z + d) - run.decode(z - d)).square().sum()) for d in directions]
    assert changes[0] == max(changes)


def test_a_path_goes_from_one_seed_to_the_other(client):
    found = ask(client, "first", "interpolate", **{"from": 1, "to": 2, "n": 5})
    ends = [ask(client, "first", "start", seed=seed)["z"] for seed in (1, 2)]
    torch.testing.assert_close(torch.tensor([found["z"][0], found["z"][-1]]), torch.tensor(ends))


def test_a_training_example_is_its_own_nearest_neighbour(client, root):
    """As a picture that a person uploads."""
    import io

    from PIL import Image

    x = Run(root / "first").source.split("train")[torch.tensor([7])].x
    file = io.BytesIO()
    Image.fromarray((x[0, 0] * 255).round().byte().numpy()).save(file, "PNG")
    given = client.post("/api/runs/first/upload", content=file.getvalue(), headers=headers()).json()
    found = ask(client, "first", "neighbours", picture=given["picture"])
    assert found["distances"][0] < 0.05
    assert found["distances"] == sorted(found["distances"])
    assert found["nearer"] == 0.0


def test_known_pixels_stay_in_a_completion(client):
    mask = [1] * 32 + [0] * 32
    given = pixels(ask(client, "chains", "examples", n=1, first=4))
    made = pixels(ask(client, "chains", "complete", picture="test:4", mask=mask, n=3))
    assert made.shape == (3, 8, 8)
    torch.testing.assert_close(made[:, :4], given[:, :4].expand(3, -1, -1), atol=1e-6, rtol=0)


def test_chains_go_on_where_they_stood(client):
    begun = ask(client, "chains", "chain", n=4, steps=0)
    moved = [ask(client, "chains", "chain", n=4, steps=5, state=begun["state"]) for _ in range(2)]
    assert torch.equal(*map(pixels, moved))
    assert moved[0]["state"] != begun["state"]
    assert not torch.equal(pixels(begun), pixels(moved[0]))


def test_a_draw_ends_at_the_sample(client):
    found = ask(client, "noise", "steps", n=2, seed=1)
    assert found["of"] == found["at"][-1] == len(found["frames"])
    assert torch.equal(pixels(found["frames"][-1]), pixels(ask(client, "noise", "sample", n=2, seed=1)))


def test_pictures_are_rebuilt_scored_and_translated(client, root):
    rebuilt = ask(client, "codes", "reconstruct", picture="test:0")
    assert rebuilt["count"] == 2
    scored = ask(client, "codes", "score", picture="test:0")
    assert scored["by"] == "elbo"
    assert 0 < scored["p"] <= 1
    assert scored["map"].startswith("data:image/png")
    assert ask(client, "sets/domains", "translate", picture="test:0")["count"] == 3


def test_the_discriminator_is_shown_sorted(client):
    found = ask(client, "first", "judge", n=10)
    for side in ("data", "samples"):
        assert found[side]["logits"] == sorted(found[side]["logits"], reverse=True)
        assert found[side]["count"] == 10


# Games --------------------------------------------------------------------------------------------------------------

GAUSSIAN = {"name": "gaussian-1d"}


def test_a_game_is_that_of_the_engine_and_repeats_itself():
    seen = []
    for steps in ((6,), (2, 4)):
        game = Playground(painted({"name": "bimodal-1d"}, 1), "gan", {}, seed=1)
        for some in steps:
            game.advance(some)
        seen.append(game.look())
    assert seen[0]["q"] == seen[1]["q"]
    assert seen[0]["d"] == seen[1]["d"]


@pytest.mark.parametrize(("player", "waits"), [("discriminator", "generator"), ("generator", "discriminator")])
def test_a_step_by_hand_moves_one_player(player, waits):
    game = Playground(painted({"name": "ring"}, 2), "gan", {})
    before = {name: [p.detach().clone() for p in getattr(game.model, name).parameters()] for name in (player, waits)}
    game.advance(2, player)
    after = {name: [*getattr(game.model, name).parameters()] for name in (player, waits)}
    assert all(torch.equal(a, b) for a, b in zip(before[waits], after[waits], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before[player], after[player], strict=True))


def test_what_is_seen_is_what_the_theory_says():
    """D* = p / (p + q), C(G) = -log 4 + 2 JSD, V at D* is C(G), and V at any D is less."""
    game = Playground(painted({"name": "bimodal-1d"}, 1), "gan", {})
    game.advance(30)
    seen = game.look()
    p, q = torch.tensor(seen["p"]), torch.tensor(seen["q"])
    best = torch.tensor([math.nan if b is None else b for b in seen["best"]])
    known = ~best.isnan()
    torch.testing.assert_close(best[known], (p / (p + q))[known], atol=1e-4, rtol=0)
    assert seen["cost"] == pytest.approx(-math.log(4) + 2 * seen["jsd"])
    assert seen["best_value"] == pytest.approx(seen["cost"], abs=0.02)  # but for what lies outside of the picture
    assert seen["value"] <= seen["best_value"] + 1e-9
    width = 9 / len(p)
    assert float(q.sum() * width) == pytest.approx(1, abs=0.05)


def test_the_discriminator_alone_comes_to_its_best_answer():
    game = Playground(painted({"name": "bimodal-1d"}, 1), "gan", {"train.lr": 5e-3})
    first = game.look()["off"]
    game.advance(150, "discriminator")
    assert game.look()["off"] < 0.5 * first


def test_a_painted_density_is_the_one_that_was_painted():
    heights = [0.0] * 20 + [1.0] * 10 + [0.0] * 10 + [3.0] * 10 + [0.0] * 10
    data = painted({"heights": heights}, 1)
    x = torch.linspace(-4.5, 4.5, 2_001)[:, None]
    p = data.log_prob(x).exp()
    assert float(torch.trapezoid(p, x[:, 0])) == pytest.approx(1, abs=1e-3)
    left, right = (float(torch.trapezoid(p[part], x[part, 0])) for part in (x[:, 0] < 0.5, x[:, 0] > 0.5))
    assert right / left == pytest.approx(3, rel=0.02)
    points = painted({"points": [[1.0, 2.0], [-1.0, 0.5]]}, 2)
    assert points.sample(1_000).mean(0).tolist() == pytest.approx([0.0, 1.25], abs=0.1)


@pytest.mark.parametrize("kind", [*MODELS])
def test_every_family_can_be_seen_on_the_same_density(kind):
    game = Playground(painted({"name": "ring"}, 2), kind, {})
    game.advance(3)
    seen = game.look()
    assert len(seen["p"]) == len(seen["q"]) == seen["side"] ** 2
    assert 0 <= seen["jsd"] <= math.log(2) + 1e-6


@pytest.mark.parametrize(
    ("what", "dims"),
    [
        ({}, 1), ({"heights": [0] * 20}, 1), ({"heights": [math.nan] * 20}, 1), ({"heights": "abc"}, 1),
        ({"points": [[9, 9]]}, 2), ({"points": []}, 2), ({"points": [[1]]}, 2), ({"name": "mnist"}, 2),
        ({"name": "ring"}, 1), ({"heights": [1] * 10_000}, 1),
    ],
)  # fmt: skip
def test_a_density_that_is_none_is_an_error_in_a_line(what, dims):
    with pytest.raises(ValueError, match="expected"):
        painted(what, dims)


def test_games_are_played_through_the_page(client):
    body = {"dims": 1, "data": GAUSSIAN, "settings": {"objective": "minimax", "discriminator_steps": 2}}
    made = client.post("/api/theory", json=body, headers=headers()).json()
    moved = client.post(f"/api/theory/{made['game']}", json={"steps": 5}, headers=headers()).json()
    assert (made["step"], moved["step"]) == (0, 5)
    assert client.post("/api/theory/none", json={}, headers=headers()).status_code == 404
    wrong = client.post("/api/theory", json={**body, "settings": {"steps": 3}}, headers=headers())
    assert wrong.status_code == 400


# Words --------------------------------------------------------------------------------------------------------------


def test_every_language_says_everything():
    assert "ko" in languages()
    english = words("en")
    for code in languages():
        own = json.loads(files("counterfeit.studio").joinpath("locales", f"{code}.json").read_text(encoding="utf-8"))
        assert {*own} == {*english}, code
        for key, text in own.items():
            assert {*re.findall(r"{\w+}", text)} == {*re.findall(r"{\w+}", english[key])}, (code, key)


def test_pages_say_nothing_that_is_in_no_language():
    folder = files("counterfeit.studio").joinpath("static", "js")
    scripts = "".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    pages = files("counterfeit.studio").joinpath("templates").iterdir()
    template = "".join(file.read_text(encoding="utf-8") for file in pages)
    asked = {*re.findall(r'\bt\("([^"]+)"', scripts), *re.findall(r"words\[[\"']([\w.]+)[\"']\]", template)}
    asked |= {*re.findall(r'"((?:run|explore|theory|compare)\.[a-z_.]+)"', scripts)}
    assert sorted(asked - {*words("en")}) == []


@pytest.mark.parametrize(
    ("asked", "cookie", "accepted", "found"),
    [(None, None, "", "en"), ("ko", "en", "en", "ko"), (None, "ko", "en", "ko"), ("xx", None, "ko-KR,en;q=0.9", "ko"),
     (None, None, "fr;q=x, de", "en")],
)  # fmt: skip
def test_the_language_of_a_page(asked, cookie, accepted, found):
    assert preferred(asked, cookie, accepted) == found


def test_the_first_page_is_small(client):
    page = client.get("/").text
    linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    scripts = [f"/static/js/{name}.js" for name in ("core", "runs")]
    sizes = {path: len(client.get(path).content) for path in {*linked, *scripts}}
    assert len(page.encode()) + sum(sizes.values()) <= 150_000, sizes


def test_the_catalogue_knows_every_recipe_of_the_playground():
    assert {recipe for recipe, _ in MODELS.values()} <= {*catalogue.recipes()}
    assert CSRF.lower() == CSRF
