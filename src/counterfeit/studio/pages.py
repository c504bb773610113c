"""Pages from templates, files beside them, and how errors are told."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from counterfeit.studio.requests import MissingError
from counterfeit.studio.words import languages, preferred, words

__all__ = ["HANDLERS", "page_of", "participants_page", "static"]

TEMPLATES = Environment(
    loader=PackageLoader("counterfeit.studio", "templates"), autoescape=True, undefined=StrictUndefined
)
LANGUAGE = "counterfeit-language"  # the cookie of a choice


def static() -> Mount:
    """Scripts, styles and pictures of the pages."""
    return Mount("/static", StaticFiles(directory=str(files("counterfeit.studio").joinpath("static"))))


def page_of(request: Request, name: str, run: str = "", csrf: str = "") -> Response:
    """A page, in the language of its reader."""
    asked = request.query_params.get("lang")
    language = preferred(asked, request.cookies.get(LANGUAGE), request.headers.get("accept-language", ""))
    text = TEMPLATES.get_template("take.html" if name == "take" else "page.html").render(
        page=name, run=run, csrf=csrf, language=language, languages=languages(), words=words(language),
        path=request.url.path,
    )  # fmt: skip
    answer = HTMLResponse(text)
    if asked and asked in languages():
        answer.set_cookie(LANGUAGE, asked, max_age=31_536_000, samesite="strict", path="/")
    return answer


async def participants_page(request: Request) -> Response:
    """The page of a participant of a study that is shared."""
    return page_of(request, "take")


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


HANDLERS = {HTTPException: _refused, MissingError: _missing, ValueError: _wrong, OSError: _failed, Exception: _failed}
"""What is answered to what goes wrong."""
