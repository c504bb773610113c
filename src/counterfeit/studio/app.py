"""The application: pages, what they ask for, files, and how errors are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from counterfeit.studio.gate import Gate, Keys
from counterfeit.studio.pages import HANDLERS, page_of, static

__all__ = ["create"]

PAGES = {"/": "runs", "/new": "new", "/compare": "compare", "/theory": "theory", "/study": "study"}
SOON = 0.3  # seconds after the start, so that the address is printed first


class Later:
    """The rooms, which are built in a thread while the first page is shown: PyTorch takes seconds to load.

    Arguments:
        root: the folder of runs.
        beside: how many trainings run at a time.
    """

    def __init__(self, root: Path, beside: int) -> None:
        self.root, self.beside = root, beside
        self._built: asyncio.Future[Any] | None = None
        self._router: Router | None = None

    def begin(self) -> None:
        """Begin to build them, unless that has begun."""
        self._built = self._built or asyncio.ensure_future(asyncio.to_thread(self._build))

    def _build(self) -> Any:
        from counterfeit.studio.rooms import Rooms

        return Rooms(self.root, self.beside)

    async def rooms(self) -> Any:
        """The rooms, once they are there."""
        self.begin()
        return await asyncio.shield(self._built)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below /api."""
        if self._router is None:
            self._router = Router((await self.rooms()).routes())
        await self._router(scope, receive, send)

    async def close(self) -> None:
        """Leave them."""
        if self._built is not None:
            (await self._built).close()


def create(root: Path, keys: Keys, hosts: Iterable[str], beside: int = 1) -> ASGIApp:
    """The studio of a folder of runs.

    Arguments:
        root: the folder.
        keys: of this start.
        hosts: names by which this machine may be called, with the port.
        beside: how many trainings run at a time.
    """
    later = Later(root, beside)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        asyncio.get_running_loop().call_later(SOON, later.begin)
        yield
        await later.close()

    pages = Pages(later, keys)
    app = Starlette(
        routes=[
            *(Route(path, pages.page(name)) for path, name in PAGES.items()),
            Route("/runs/{name:path}/explore", pages.of_run("explore")),
            Route("/runs/{name:path}", pages.of_run("run")),
            Route("/take/{key}", pages.page("take")),
            Mount("/api", later),
            static(),
        ],
        lifespan=life,
        exception_handlers=dict(HANDLERS),
    )
    return Gate(app, keys, hosts)


class Pages:
    """The pages, from templates; all their work is done by scripts that ask the API.

    Arguments:
        later: the rooms behind them.
        keys: of this start.
    """

    def __init__(self, later: Later, keys: Keys) -> None:
        self.later, self.keys = later, keys

    def page(self, name: str) -> Any:
        """Answers with a page."""

        async def answer(request: Request) -> Response:
            return page_of(request, name, csrf=self.keys.csrf)

        return answer

    def of_run(self, name: str) -> Any:
        """Answers with a page about a run."""

        async def answer(request: Request) -> Response:
            run = request.path_params["name"]
            (await self.later.rooms()).has(run)
            return page_of(request, name, run, self.keys.csrf)

        return answer
