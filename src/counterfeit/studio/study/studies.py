"""User studies: made and read by the person, answered by participants who learn nothing but the pictures."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from counterfeit.common.seeding import seeded
from counterfeit.data.images import to_uint8
from counterfeit.data.selection import evenly_spaced
from counterfeit.metrics.stats.user_study import Trials, bradley_terry, forced_choice
from counterfeit.studio.addresses import bound, hosts_of
from counterfeit.studio.gate import Gate
from counterfeit.studio.opened import Models, StudioRun
from counterfeit.studio.pages import HANDLERS, participants_page, static
from counterfeit.studio.requests import MissingError, asked, number
from counterfeit.studio.study.store import Plan, Store

__all__ = ["Studies", "pictures_of", "results"]

SIDE = 256  # pixels of a picture that is shown
JOINS, WITHIN = 300, 60.0  # participants that one address may bring in so many seconds
MISSED = 0.25  # share of the checks beyond which a participant is left out


class Studies:
    """Studies of the runs of a folder.

    Arguments:
        models: of the runs.
        store: where answers are kept.
    """

    def __init__(self, models: Models, store: Store) -> None:
        self.models, self.store = models, store
        self._joins: dict[str, deque[float]] = {}
        self._shared: tuple[uvicorn.Server, asyncio.Task[None], list[str]] | None = None

    def close(self) -> None:
        """Answer no more."""
        if self._shared:
            self._shared[0].should_exit = True
        self.store.close()

    def routes(self) -> list[Route]:
        """What the person asks, below /api."""
        return [
            Route("/studies", self.listing),
            Route("/studies", self.make, methods=["POST"]),
            Route("/studies/share", self.share, methods=["POST"]),
            Route("/studies/{key}", self.results),
            Route("/studies/{key}/delete", self.delete, methods=["POST"]),
            Route("/studies/{key}/answers.csv", self.csv),
        ]

    def participants(self) -> list[Route]:
        """What participants ask."""
        return [
            Route("/take/{key}/join", self.join, methods=["POST"]),
            Route("/take/{key}/next", self.next, methods=["POST"]),
            Route("/take/{key}/answer", self.answer, methods=["POST"]),
            Route("/take/{key}/{ticket}/{number:int}/{side}/{token}", self.picture),
        ]

    async def listing(self, request: Request) -> Response:  # noqa: ARG002
        """Every study, and the addresses at which others can take them, where that was asked for."""
        rows = [
            {"key": key, **asdict(self.store.plan(key)), **self.store.counts(key)}
            for key in await asyncio.to_thread(self.store.keys)
        ]
        return JSONResponse({"studies": rows, "shared": self._shared[2] if self._shared else []})

    async def make(self, request: Request) -> Response:
        """A new study: {name, models, trials, checks, seconds, seed}; one model is judged against real data."""
        body = await asked(request)
        models = body.get("models")
        if not isinstance(models, list) or not all(isinstance(one, str) for one in models):
            raise ValueError("models: the names of one or two runs are expected.")
        plan = Plan(
            str(body.get("name", "")).strip(), "real" if len(models) == 1 else "pair", tuple(models),
            number(body, "trials", 20, 2, 400), number(body, "checks", 2, 0, 20),
            float(number(body, "seconds", 0, 0, 600)), number(body, "seed", 0, 0, 2**31 - 1),
        )  # fmt: skip
        first, *others = [await self.models.ask(name, lambda run: pictures_of(run, plan)) for name in plan.models]
        sides = [first["real"], first["samples"]] if plan.kind == "real" else [first["samples"], others[0]["samples"]]
        key = await asyncio.to_thread(self.store.create, plan, [*alike(sides), noise(plan, sides)])
        return JSONResponse({"key": key})

    async def results(self, request: Request) -> Response:
        """What the answers so far amount to."""
        key = request.path_params["key"]
        plan = self.store.plan(key)
        found = await asyncio.to_thread(lambda: results(plan, self.store.answers(key)))
        return JSONResponse({**asdict(plan), **self.store.counts(key), **found})

    async def delete(self, request: Request) -> Response:
        """Forget a study."""
        await asyncio.to_thread(self.store.remove, request.path_params["key"])
        return JSONResponse({})

    async def csv(self, request: Request) -> Response:
        """Every answer as a line, as `counterfeit study` reads it."""
        key = request.path_params["key"]
        plan, text = self.store.plan(key), io.StringIO()
        answers = [row for row in await asyncio.to_thread(self.store.answers, key) if not row["check"]]
        if plan.kind == "real":
            table: list[Sequence[Any]] = [("rater", "model", "correct", "pair", "seconds")]
            table += [(a["rater"], plan.models[0], int(a["first"]), a["pair"], f"{a['seconds']:.3f}") for a in answers]
        else:
            table = [("rater", "winner", "loser", "pair", "seconds")]
            for a in answers:
                won, lost = plan.models if a["first"] else plan.models[::-1]
                table.append((a["rater"], won, lost, a["pair"], f"{a['seconds']:.3f}"))
        csv.writer(text, lineterminator="\n").writerows(table)
        headers = {"content-disposition": 'attachment; filename="answers.csv"'}
        return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    async def share(self, request: Request) -> Response:
        """Let others on the network take studies, and nothing else, or end that: {on}."""
        on = (await asked(request)).get("on")
        if self._shared:
            server, task, _ = self._shared
            self._shared, server.should_exit = None, True
            await task
        if on is True:
            await self._open()
        return JSONResponse({"shared": self._shared[2] if self._shared else []})

    async def _open(self) -> None:
        listening = bound("0.0.0.0", 0)
        port = int(listening.getsockname()[1])
        routes = [*self.participants(), Route("/take/{key}", participants_page), static()]
        app = Gate(Starlette(routes=routes, exception_handlers=dict(HANDLERS)), None, hosts_of("0.0.0.0", port))
        config = uvicorn.Config(app, log_level="error", access_log=False, server_header=False, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server._serve(sockets=[listening]))  # signals are the studio's own
        outside = [name for name in hosts_of("0.0.0.0", port) if not name.startswith(("127.", "localhost", "["))]
        self._shared = server, task, [f"http://{name}" for name in outside]

    async def join(self, request: Request) -> Response:
        """Take part: the ticket by which to answer."""
        who = request.client.host if request.client else ""
        times, now = self._joins.setdefault(who, deque(maxlen=JOINS)), time.monotonic()
        if len(times) == JOINS and now - times[0] < WITHIN:
            raise HTTPException(429, "too many people joined. Wait a minute.")
        times.append(now)
        key = request.path_params["key"]
        ticket = await asyncio.to_thread(self.store.join, key)
        plan = self.store.plan(key)
        return JSONResponse({"ticket": ticket, "name": plan.name, "kind": plan.kind, "of": plan.pairs})

    async def next(self, request: Request) -> Response:
        """The next pair: {ticket}."""
        ticket = str((await asked(request)).get("ticket"))
        return JSONResponse(await asyncio.to_thread(self.store.next, request.path_params["key"], ticket))

    async def answer(self, request: Request) -> Response:
        """An answer: {ticket, number, choice}; acknowledged once it is on disk."""
        body = await asked(request)
        ticket, which = str(body.get("ticket")), number(body, "number", -1, 0, 1_000)
        await asyncio.to_thread(self.store.answer, request.path_params["key"], ticket, which, str(body.get("choice")))
        return JSONResponse({"kept": True})

    async def picture(self, request: Request) -> Response:
        """A picture of the pair that is shown."""
        place = request.path_params
        data = await asyncio.to_thread(
            self.store.picture, place["key"], place["ticket"], place["number"], place["side"], place["token"]
        )
        return Response(data, media_type="image/png")


def pictures_of(run: StudioRun, plan: Plan) -> dict[str, Tensor]:
    """Real pictures and samples, (n, C, H, W) in [0, 1], in an order that tells nothing.

    Raises:
        MissingError: the run makes no pictures.
    """
    source = run.source.raw
    if len(source.spec.shape) != 3 or source.rate is not None or not len(source.split("test")):
        raise MissingError(f"{run.name} makes no pictures. Choose another run.")
    n = plan.pairs
    real = evenly_spaced(source, "test", n).x
    if len(real) < n:
        raise ValueError(f"{source.name} has {len(real)} test pictures; {n} are expected. Ask for fewer trials.")
    with seeded(plan.seed):
        real = real[torch.randperm(n)]
    return {"real": real, "samples": run.sample(n, plan.seed, mean=True).clamp(0, 1)}


def alike(sides: Sequence[Tensor]) -> list[list[bytes]]:
    """Both sides as files of one size: as many pixels, as many channels, and nothing compressed."""
    channels = max(side.shape[1] for side in sides)
    return [[png(x.expand(channels, -1, -1)) for x in side] for side in sides]


def noise(plan: Plan, sides: Sequence[Tensor]) -> list[bytes]:
    """Pictures of noise for the checks, of the shades of the data."""
    channels = max(side.shape[1] for side in sides)
    generator = torch.Generator().manual_seed(plan.seed)
    shape = (channels, *sides[0].shape[2:])
    return [png(torch.rand(shape, generator=generator)) for _ in range(plan.checks)]


def png(x: Tensor) -> bytes:
    """A picture (C, H, W) in [0, 1] in the size that is shown: its pixels, not compressed, and nothing else."""
    array = to_uint8(x)
    image = Image.fromarray(array).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    return file.getvalue()


def results(plan: Plan, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What answers amount to, with and without those who missed the checks: the statistics of `counterfeit study`."""
    missed: dict[int, list[bool]] = {}
    for answer in answers:
        if answer["check"]:
            missed.setdefault(answer["rater"], []).append(not answer["first"])
    out = {rater for rater, some in missed.items() if np.mean(some) > MISSED}
    asked_ = [answer for answer in answers if not answer["check"]]
    kept = [answer for answer in asked_ if answer["rater"] not in out]
    count: Callable[[Sequence[Mapping[str, Any]]], Any] = _told if plan.kind == "real" else _preferred
    return {
        "answers": len(asked_), "left_out": len(out), "all": count(asked_), "attentive": count(kept),
        "seconds_each": float(np.median([a["seconds"] for a in kept])) if kept else None,
    }  # fmt: skip


def _told(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How well real pictures were told from samples."""
    if not answers:
        return None
    correct = torch.tensor([bool(a["first"]) for a in answers])
    return forced_choice(Trials(correct, [str(a["rater"]) for a in answers]))._asdict()


def _preferred(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How often the first model was preferred, and by how much, by Bradley and Terry."""
    if not answers:
        return None
    first = sum(bool(a["first"]) for a in answers)
    found: dict[str, Any] = _told(answers) or {}
    wins = torch.tensor([[0, first], [len(answers) - first, 0]])
    try:
        ability, error = bradley_terry(wins)
        found |= {"ability": ability.tolist(), "ability_error": error.tolist()}
    except ValueError:
        found |= {"ability": None, "ability_error": None}
    return found
