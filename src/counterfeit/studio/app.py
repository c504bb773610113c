"""The application: pages, what they ask for, files, and how errors are told."""

from __future__ import annotations

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
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from counterfeit.studio.api import API
from counterfeit.studio.gate import Gate, Keys
from counterfeit.studio.jobs import Jobs
from counterfeit.studio.opened import Models
from counterfeit.studio.runs import MissingError, Runs
from counterfeit.studio.theory import Games
from counterfeit.studio.words import languages, preferred, words

__all__ = ["create"]

PAGES = {"/": "runs", "/new": "new", "/compare": "compare", "/theory": "theory"}
LANGUAGE = "counterfeit-language"  # the cookie of a choice


def create(root: Path, keys: Keys, hosts: Iterable[str], beside: int = 1) -> ASGIApp:
    """The studio of a folder of runs.

    Arguments:
        root: the folder.
        keys: of this start.
        hosts: names by which this machine may be called, with the port.
        beside: how many trainings run at a time.
    """
    runs = Runs(root)
    jobs, models = Jobs(runs, beside), Models(runs)
    games = Games(models.drawing)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        jobs.open()
        yield
        games.close()
        jobs.close()
        models.close()

    pages = Pages(runs, jobs, keys)
    app = Starlette(
        routes=[
            *(Route(path, pages.page(name)) for path, name in PAGES.items()),
            Route("/runs/{name:path}/explore", pages.of_run("explore")),
            Route("/runs/{name:path}", pages.of_run("run")),
            Mount("/api", routes=[*API(runs, jobs, models).routes(), *games.routes()]),
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
        runs: where they are.
        jobs: what trains them.
        keys: of this start.
    """

    def __init__(self, runs: Runs, jobs: Jobs, keys: Keys) -> None:
        self.runs, self.jobs, self.keys = runs, jobs, keys
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
            if not self.jobs.of(run):  # which may not have made its folder yet
                self.runs.path(run)
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
