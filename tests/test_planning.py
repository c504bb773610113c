"""The world of the pushed block, videos of it, and planners that imagine."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import torch

from counterfeit.cli import main
from counterfeit.config.settings import Evaluation
from counterfeit.core import Batch, Model, Spec, check_actions
from counterfeit.data.sources.moving_digits import MovingDigits
from counterfeit.data.sources.pushed_block import CELLS, FLOOR, BlockWorld, PushedBlock
from counterfeit.data.worlds import HasWorld
from counterfeit.inference.planning import Past, Planner, imagined_by, played, simulated
from counterfeit.metrics.tasks.planning import PLANNING
from counterfeit.models.adversarial.next_frame import NextFrame
from counterfeit.nets.video import TransitionDiscriminator, VideoPlayers
from counterfeit.run.run import train

WAYS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def everything() -> np.ndarray:
    """Every state of the world."""
    cells = [*product(range(CELLS), repeat=2)]
    return np.array([(*agent, *block) for agent in cells for block in cells if agent != block])


def inside(cell: tuple[int, int]) -> bool:
    return all(0 <= axis < CELLS for axis in cell)


def moved(state: np.ndarray, action: str, aside: int) -> tuple[int, ...]:
    """What a rule of thumb says, one state at a time."""
    (down, across), agent, block = WAYS[action], tuple(state[:2]), tuple(state[2:])
    ahead = (agent[0] + down, agent[1] + across)
    if ahead != block:
        return (*(ahead if inside(ahead) else agent), *block)
    straight = (block[0] + down, block[1] + across)
    slipped = (straight[0] + aside * across, straight[1] + aside * down)
    target = slipped if inside(slipped) else straight
    return (*ahead, *target) if inside(target) else (*agent, *block)


class Knows(Model):
    """Foresees frames by reading states off the last frame given."""

    def __init__(self, world: BlockWorld) -> None:
        super().__init__(Spec((4, 3, 8 * world.pixels, 8 * world.pixels), actions=world.actions))
        self.world, self.seen = world, []
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def updates(self, draw, clock):
        return iter(())

    def predict(self, x, steps, actions=None):
        self.seen.append((tuple(x.shape), tuple(actions.shape)))
        agent = x[:, -1, 0, :: self.world.pixels, :: self.world.pixels].flatten(1).argmax(1).numpy()
        block = self.world.place(x[:, -1]).numpy()
        states, frames = np.concatenate([np.stack(np.divmod(agent, CELLS), 1), block], 1), []
        for step in range(steps):
            states = self.world.move(states, actions[:, x.shape[1] - 1 + step].numpy(), np.random.RandomState(0))
            frames.append(torch.from_numpy(self.world.show(states)).float() / 255)
        return torch.stack(frames, 1)


@pytest.mark.parametrize("action", [*WAYS])
def test_an_agent_walks_and_pushes(action):
    states, number = everything(), BlockWorld.actions.index(action)
    found = BlockWorld(1, 0.0).move(states, np.full(len(states), number), np.random.RandomState(0))
    assert [tuple(row) for row in found.tolist()] == [moved(state, action, 0) for state in states]


@pytest.mark.parametrize("action", [*WAYS])
def test_a_block_slips_to_either_side(action):
    states, number = everything(), BlockWorld.actions.index(action)
    found = BlockWorld(1, 1.0).move(states, np.full(len(states), number), np.random.RandomState(0))
    sides = [{moved(state, action, aside) for aside in (-1, 1)} for state in states]
    assert all(tuple(row) in side for row, side in zip(found.tolist(), sides, strict=True))
    assert not (found[:, :2] == found[:, 2:]).all(1).any()


def test_a_block_slips_as_often_as_it_is_said_to():
    states = np.tile([[3, 2, 3, 3]], (20_000, 1))
    found = BlockWorld(1, 0.3).move(states, np.full(len(states), 3), np.random.RandomState(0))
    shares = [float((found[:, 2] == row).mean()) for row in (2, 3, 4)]
    assert shares == pytest.approx([0.15, 0.7, 0.15], abs=0.012)  # four standard errors


def test_what_is_seen_is_where_things_are():
    world, states = BlockWorld(3, 0.3), everything()[::7]
    frames = torch.from_numpy(world.show(states)).float() / 255
    assert frames.shape == (len(states), 3, 24, 24)
    assert torch.equal(world.place(frames), torch.from_numpy(world.placed(states)))


def test_a_faint_block_is_not_seen():
    world, state = BlockWorld(2, 0.3), np.array([[0, 0, 4, 5]])
    clear = torch.from_numpy(world.show(state)).float() / 255
    floor = torch.full_like(clear, FLOOR[2] / 255)
    assert world.place(0.6 * clear + 0.4 * floor).tolist() == [[4, 5]]
    places = world.place(0.4 * clear + 0.6 * floor)
    assert places.tolist() == [[-1, -1]]
    assert int(world.missing(places, torch.tensor([[4, 5]]))) == 2 * CELLS
    assert int(world.missing(torch.tensor([[4, 5]]), torch.tensor([[6, 4]]))) == 3


def test_worlds_begin_apart_and_goals_are_near():
    world, random = BlockWorld(2, 0.3), np.random.RandomState(0)
    states = world.begin(2_000, random)
    goals = world.goals(states, random)
    assert not (states[:, :2] == states[:, 2:]).all(1).any()
    far = abs(goals - states[:, 2:]).sum(1)
    assert set(far.tolist()) == {2, 3}
    assert goals.min() == 1
    assert goals.max() == CELLS - 2


def test_videos_go_on_by_their_actions():
    source = PushedBlock(size=8, frames=5, slip=0.0)
    x, y = source.split("valid").first(50)
    assert isinstance(source, HasWorld)
    assert not isinstance(MovingDigits(size=16, frames=4, of="digits"), HasWorld)
    found = Knows(source.world).predict(x[:, :1], 4, y)
    torch.testing.assert_close(found, x[:, 1:])


def test_agents_push_often_enough_to_learn_from():
    x = PushedBlock(size=8, frames=10).split("valid").first(300).x
    world = PushedBlock(size=8).world
    places = world.place(x.flatten(0, 1)).unflatten(0, (300, 10))
    assert 0.1 < float((places[:, 1:] != places[:, :-1]).any(-1).float().mean()) < 0.9


@pytest.mark.parametrize(
    ("settings", "came"), [({"size": 12}, "12"), ({"frames": 1}, "frames=1"), ({"slip": 1.5}, "slip=1.5")]
)
def test_a_world_that_cannot_be_is_refused(settings, came):
    with pytest.raises(ValueError, match=came):
        PushedBlock(**settings)


def test_a_model_that_knows_the_world_imagines_what_it_does():
    world, random = BlockWorld(1, 0.0), np.random.RandomState(0)
    states = world.begin(6, random)
    past = Past(states, world.show(states)[:, None], np.zeros((6, 0), np.int64))
    for _ in range(3):
        past = past.after(random.randint(4, size=6), world, random)
    plans, model = random.randint(4, size=(6, 5, 7)), Knows(world)
    found = imagined_by(model, world, 2)(past, plans)
    assert torch.equal(found, simulated(world, random)(past, plans))
    assert model.seen == [((30, 2, 3, 8, 8), (30, 1 + 7))]


def test_a_planner_takes_the_plan_that_comes_nearest_first():
    world = BlockWorld(1, 0.0)
    planner = Planner(horizon=4, candidates=400, committed=4)
    past = Past(np.array([[3, 1, 3, 2]]), np.zeros((1, 1, 3, 8, 8), np.uint8), np.zeros((1, 0), np.int64))
    imagine = simulated(world, np.random.RandomState(0))
    found = planner.choose(world, past, np.array([[3, 4]]), imagine, np.random.RandomState(0))
    assert found[0, :2].tolist() == [3, 3]  # two pushes to the right; what comes later does not matter


def test_candidates_are_drawn_over_all_actions():
    plans = Planner(horizon=5, candidates=2_000).drawn(3, 4, np.random.RandomState(0))
    assert plans.shape == (3, 2_000, 5)
    for step in range(5):
        shares = np.bincount(plans[:, :, step].ravel(), minlength=4) / 6_000
        assert shares == pytest.approx([0.25] * 4, abs=0.025)
    assert float((plans[:, :, 1:] == plans[:, :, :-1]).mean()) == pytest.approx(0.5 + 0.5 / 4, abs=0.02)


def test_who_imagines_truly_plans_better_than_chance():
    world, planner = BlockWorld(1, 0.2), Planner(candidates=40)
    known = played(world, 40, simulated(world, np.random.RandomState(0)), planner)
    model = played(world, 40, imagined_by(Knows(world), world, 1), planner)
    chance = played(world, 40, None, planner)
    assert max(known.max(), model.max(), chance.max()) <= planner.moves
    assert (known > 0).sum() > 4 * (chance > 0).sum()
    assert (model > 0).sum() > 4 * (chance > 0).sum()


def test_the_metric_plays():
    source = PushedBlock(size=8, frames=4)
    found = PLANNING.compute(Knows(source.world), source, Evaluation(max_examples=20))["goals-reached"]
    assert found.n == 20
    assert found.value > found.references["random actions"].value
    assert PLANNING.applies(source)
    assert not PLANNING.applies(MovingDigits(size=16, frames=4, of="digits"))


@pytest.mark.parametrize("judged", ["videos", "transitions"])
def test_both_players_are_told_the_actions(judged):
    spec = PushedBlock(size=16, frames=4).spec
    model = NextFrame(spec, context_frames=2, nets=VideoPlayers(4, 4, judged=judged))
    x, y = PushedBlock(frames=4).split("valid").first(6)
    other = (y + 1) % 4
    with torch.no_grad():
        last = y.clone()
        last[:, -1] = other[:, -1]
        a, b = (model.generate(Batch(x, actions)) for actions in (y, last))
        assert torch.equal(a[:, :3], b[:, :3])
        assert not torch.equal(a[:, 3], b[:, 3])
        model.train()
        assert not torch.equal(model.judged(Batch(x, y), x), model.judged(Batch(x, other), x))


@pytest.mark.parametrize(
    ("y", "spec", "words"),
    [
        (None, ("up",), "no actions came"), (torch.zeros(2, 3).long(), (), "none are expected"),
        (torch.zeros(2, 2).long(), ("up",), "(2, 2)"), (torch.zeros(2, 3), ("up",), "float32"),
        (torch.ones(2, 3).long(), ("up",), "1 to 1"),
    ],
)  # fmt: skip
def test_actions_that_are_none_are_refused(y, spec, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        check_actions(y, (2, 3), Spec((4, 3, 8, 8), actions=spec))


def test_a_transition_is_judged_by_itself_wherever_it_is():
    spec = PushedBlock(size=8, frames=6).spec
    net, (x, y) = TransitionDiscriminator(spec, 4, "none", 2), PushedBlock(size=8, frames=6).split("valid").first(3)
    with torch.no_grad():
        found = net(x, y)
        assert found.shape == (3, 4)
        for time in range(4):
            pair, action = x[:, 1 + time : 3 + time], y[:, 1 + time, None]
            torch.testing.assert_close(net.pairs(pair, action)[:, 0], found[:, time])
        assert torch.equal(net(torch.cat([1 - x[:, :1], x[:, 1:]], 1), y), found)  # what was given is not judged


# The command `predict` ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    settings = {"data.size": 8, "model.width": 2, "model.discriminator_width": 2, "evaluate.max_examples": 8}
    settings["evaluate.metrics"] = ["video-prediction"]
    out = tmp_path_factory.mktemp("runs") / "block"
    train("next-frame-actions", out=out, steps=2, settings=settings, show=False)
    return out


def said(capsys, *words) -> dict:
    assert main(["predict", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_predictions_are_written(block, tmp_path, capsys):
    found = said(capsys, block)
    assert (found["videos"], found["given"], found["steps"]) == (4, 2, 8)
    assert (block / "predictions.png").is_file()
    again = tmp_path / "again.npy"
    said(capsys, block, "--actions", "right, up,right", "--out", again)
    assert np.load(again).shape == (4, 3, 3, 8, 8)
    other = tmp_path / "other.npy"
    said(capsys, block, "--actions", "right,up,left", "--out", other)
    assert np.array_equal(np.load(again)[:, :2], np.load(other)[:, :2])
    assert not np.array_equal(np.load(again)[:, 2], np.load(other)[:, 2])


def test_a_video_of_ones_own_goes_on(block, tmp_path, capsys):
    from PIL import Image

    frames = [Image.fromarray(np.full((20, 20, 3), shade, np.uint8)) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "own.gif", save_all=True, append_images=frames[1:])
    found = said(capsys, block, "--input", tmp_path / "own.gif", "--actions", "up,up", "--out", tmp_path / "on.gif")
    assert (found["videos"], found["given"], found["steps"]) == (1, 1, 2)
    with Image.open(tmp_path / "on.gif") as film:
        assert film.n_frames >= 2


@pytest.mark.parametrize(
    ("words", "came"),
    [
        (["--actions", "rihgt"], "did you mean 'right'"), (["--steps", "30"], "--steps 30"),
        (["--actions", "up,up", "--steps", "3"], "2 actions"), (["--given", "10"], "--given 10"),
        (["--count", "0"], "--count 0"), (["--out", "x.jpg"], "x.jpg"), (["--input", "nowhere"], "nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted_is_refused(block, words, came, capsys):
    assert main(["predict", str(block), *words]) == 2
    assert came in capsys.readouterr().err
