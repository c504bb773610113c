"""The application: pages, what they ask for, files, and how errors are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from counterfeit.studio.gate import Gate, Keys
from counterfeit.studio.requests import MissingError
from counterfeit.studio.words import languages, preferred, words

__all__ = ["create"]

PAGES = {"/": "runs", "/new": "new", "/compare": "compare", "/theory": "theory"}
LANGUAGE = "counterfeit-language"  # the cookie of a choice
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
            Mount("/api", later),
            Mount("/static", StaticFiles(directory=str(files("counterfeit.studio").joinpath("static")))),
        ],
        lifespan=life,
        exception_handlers={
            HTTPException: _refused, MissingError: _missing, ValueError: _wrong, OSError: _failed, Exception: _failed,
        },
    )  # fmt: skip
    return Gate(app, keys, hosts)


class Pages:
    """The pages, from templates; all their work is done by scripts that ask the API.

    Arguments:
        later: the rooms behind them.
        keys: of this start.
    """

    def __init__(self, later: Later, keys: Keys) -> None:
        self.later, self.keys = later, keys
        loader = PackageLoader("counterfeit.studio", "templates")
        self.templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

    def page(self, name: str) -> Any:
        """Answers with a page."""

        async def answer(request: Request) -> Response:
            return self._page(request, name)

        return answer

    def of_run(self, name: str) -> Any:
        """Answers with a page about a run."""

        async def answer(request: Request) -> Response:
            run = request.path_params["name"]
            (await self.later.rooms()).has(run)
            return self._page(request, name, run)

        return answer

    def _page(self, request: Request, name: str, run: str = "") -> Response:
        asked = request.query_params.get("lang")
        language = preferred(asked, request.cookies.get(LANGUAGE), request.headers.get("accept-language", ""))
        text = self.templates.get_template("page.html").render(
            page=name, run=run, csrf=self.keys.csrf, language=language, languages=languages(), words=words(language),
            path=request.url.path,
        )  # fmt: skip
        answer = HTMLResponse(text)
        if asked and asked in languages():
            answer.set_cookie(LANGUAGE, asked, max_age=31_536_000, samesite="strict", path="/")
        return answer


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "there is nothing here. Go back to the list of runs." if status == 404 else str(getattr(error, "detail", ""))
    return JSONResponse({"error": text}, status)


async def _missing(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return JSONResponse({"error": str(error)}, 404)


async def _wrong(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return JSONResponse({"error": str(error)}, 400)


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 500)
