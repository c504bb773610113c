"""The theory room's games: made, advanced and looked at by the page; nothing of them is kept on disk."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, cast, get_args

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from counterfeit.losses import OBJECTIVES, PENALTIES
from counterfeit.studio.requests import MissingError, asked, number
from counterfeit.studio.theory.playground import MODELS, Player, Playground, painted

__all__ = ["Games"]

OPEN = 16  # games that are kept
MOST = 500  # steps of one answer
SETTINGS = {  # what a page may set of a game
    "objective": "model.objective", "discriminator_steps": "model.discriminator_steps",
    "generator_steps": "model.generator_steps", "simultaneous": "model.simultaneous", "penalty": "model.penalty",
    "penalty_weight": "model.penalty_weight", "instance_noise": "model.instance_noise", "lr": "train.lr",
    "hidden": "model.hidden", "discriminator_hidden": "model.discriminator_hidden", "noise_dim": "model.noise_dim",
}  # fmt: skip
RATES = {"generator_lr": "generator", "discriminator_lr": "discriminator"}


class Games:
    """Games that are open.

    Arguments:
        drawing: held by whatever draws random numbers.
    """

    def __init__(self, drawing: Lock) -> None:
        self.drawing = drawing
        self._open: OrderedDict[str, Playground] = OrderedDict()
        self._pool = ThreadPoolExecutor(1, "theory", torch.set_num_threads, (1,))

    def close(self) -> None:
        """Play no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def routes(self) -> list[Route]:
        """Every address."""
        return [
            Route("/theory", self.options),
            Route("/theory", self.make, methods=["POST"]),
            Route("/theory/{game}", self.advance, methods=["POST"]),
        ]

    async def options(self, request: Request) -> Response:  # noqa: ARG002
        """What can be chosen."""
        return JSONResponse({"objectives": [*OBJECTIVES], "penalties": ["none", *PENALTIES], "models": [*MODELS]})

    async def make(self, request: Request) -> Response:
        """A new game: {dims, data, model, settings, seed}; its ticket, and what there is to see."""
        body = await asked(request)
        dims, seed = number(body, "dims", 1, 1, 2), number(body, "seed", 0, 0, 2**31 - 1)
        data, settings = body.get("data") or {}, body.get("settings") or {}
        if not isinstance(data, dict) or not isinstance(settings, dict):
            raise ValueError("data and settings: objects are expected. Reload the page.")
        chosen = _dotted(settings) if body.get("model", "gan") == "gan" else {}

        def made() -> tuple[str, dict[str, Any]]:
            game = Playground(painted(data, dims), str(body.get("model", "gan")), chosen, seed)
            ticket = secrets.token_urlsafe(12)
            self._open[ticket] = game
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return ticket, game.look()

        ticket, seen = await self._do(made)
        return JSONResponse({"game": ticket, **seen})

    async def advance(self, request: Request) -> Response:
        """Train a game: {steps, player}; what there is to see."""
        body, ticket = await asked(request), request.path_params["game"]
        steps, player = number(body, "steps", 1, 0, MOST), body.get("player", "both")
        if player not in get_args(Player):
            raise ValueError(f"player: one of {', '.join(get_args(Player))} is expected.")

        def advanced() -> dict[str, Any]:
            if ticket not in self._open:
                raise MissingError("this game is kept no more. Begin it again.")
            self._open.move_to_end(ticket)
            game = self._open[ticket]
            logs = game.advance(steps, cast(Player, player))
            return {"logs": logs, **game.look()}

        return JSONResponse(await self._do(advanced))

    async def _do(self, task: Callable[[], Any]) -> Any:
        def done() -> Any:
            with self.drawing:
                return task()

        return await asyncio.get_running_loop().run_in_executor(self._pool, done)


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The page's settings by their dotted names.

    Raises:
        ValueError: one that a page may not set.
    """
    unknown = [name for name in settings if name not in SETTINGS and name not in RATES]
    if unknown:
        raise ValueError(f"{str(unknown[0])[:40]!r} is no setting of a game. Reload the page.")
    parts = {part: {"lr": settings[name]} for name, part in RATES.items() if name in settings}
    found = {SETTINGS[name]: value for name, value in settings.items() if name in SETTINGS}
    return {**found, **({"train.parts": parts} if parts else {})}
