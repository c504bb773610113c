"""What pages ask for and change: runs, jobs, models. Every answer is JSON."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

import torch
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from torch import Tensor

from counterfeit import catalogue
from counterfeit.config.nested import nest
from counterfeit.config.parse import changed, options, settings_of
from counterfeit.listing import entries
from counterfeit.run.folder import RunFolder
from counterfeit.studio import explore, live
from counterfeit.studio.jobs import Jobs
from counterfeit.studio.opened import Models, StudioRun
from counterfeit.studio.requests import MissingError, asked, number
from counterfeit.studio.runs import Runs

__all__ = ["API"]

Ask = Callable[[StudioRun, Mapping[str, Any]], Any]
ASKS: Mapping[str, tuple[Ask, bool]] = {  # and whether nothing is drawn
    "able": (lambda run, _: explore.able(run), False),
    "sample": (explore.sampled, False),
    "start": (explore.start, False),
    "decode": (explore.decoded, True),
    "interpolate": (explore.interpolated, False),
    "examples": (explore.examples_of, False),
    "steps": (explore.steps, False),
    "judge": (explore.judged, False),
}
ON_PICTURES: Mapping[str, Callable[[StudioRun, Tensor, Mapping[str, Any]], Any]] = {
    "reconstruct": explore.reconstructed,
    "complete": explore.completed,
    "translate": explore.translated,
    "score": explore.scored,
}


class API:
    """Answers the pages' requests.

    Arguments:
        runs: where they are.
        jobs: what trains them.
        models: of the runs that are open.
    """

    def __init__(self, runs: Runs, jobs: Jobs, models: Models) -> None:
        self.runs, self.jobs, self.models = runs, jobs, models

    def routes(self) -> list[Route]:
        """Every address, below /api."""
        one = "/runs/{name:path}"
        return [
            Route("/recipes", self.recipes),
            Route("/recipes/{recipe}", self.recipe),
            Route("/data", self.data),
            Route("/runs", self.listing),
            Route("/runs", self.train, methods=["POST"]),
            Route("/restore", self.restore, methods=["POST"]),
            Route("/jobs", self.jobs_now),
            Route(f"{one}/history", self.history),
            Route(f"{one}/stream", self.stream),
            Route(f"{one}/settings", self.settings),
            Route(f"{one}/picture/{{file}}", self.picture),
            Route(f"{one}/report", self.report),
            Route(f"{one}/log", self.log),
            Route(f"{one}/tags", self.tags, methods=["POST"]),
            Route(f"{one}/delete", self.delete, methods=["POST"]),
            Route(f"{one}/stop", self.stop, methods=["POST"]),
            Route(f"{one}/resume", self.resume, methods=["POST"]),
            Route(f"{one}/upload", self.upload, methods=["POST"]),
            Route(f"{one}/ask/{{what}}", self.ask, methods=["POST"]),
        ]

    async def recipes(self, request: Request) -> Response:  # noqa: ARG002
        """Every recipe, with the family of its model."""
        families = {row["name"]: row["family"] for row in entries("models")}
        rows = [{**row, "family": families.get(row["model"], "")} for row in entries("recipes")]
        return JSONResponse(rows)

    async def recipe(self, request: Request) -> Response:
        """Every setting of a recipe."""
        chosen = catalogue.recipe(_known_recipe(request.path_params["recipe"]))
        settings = settings_of(catalogue.model_class(chosen.model), chosen.defaults)
        found = [setting._asdict() for setting in settings]
        return JSONResponse({"name": chosen.name, "summary": chosen.summary, "settings": found})

    async def data(self, request: Request) -> Response:  # noqa: ARG002
        """Every source of data."""
        return JSONResponse(entries("data"))

    async def listing(self, request: Request) -> Response:  # noqa: ARG002
        """Every run, and what waits to become one."""
        rows = await self.models.work(self.runs.rows)
        jobs = {str(job["run"]): job for job in self.jobs.rows()}
        known = {row["name"] for row in rows}
        for row in rows:
            job = jobs.get(row["name"])
            row["ours"] = bool(job and job["state"] in ("waiting", "running"))
            if job and job["state"] == "failed" and row["state"] == "stopped":
                row["state"], row["error"] = "failed", job["error"]
        waiting = [job for name, job in jobs.items() if name not in known and job["state"] != "stopped"]
        return JSONResponse({"runs": rows, "jobs": waiting})

    async def train(self, request: Request) -> Response:
        """Put a new run into the queue: {recipe, name, settings: {dotted: text}}."""
        body = await asked(request)
        chosen = catalogue.recipe(_known_recipe(body.get("recipe")))
        given = body.get("settings") or {}
        if not isinstance(given, dict) or any(isinstance(value, (dict, list)) for value in given.values()):
            raise ValueError("settings: texts by their dotted names are expected. Reload the page.")
        config = catalogue.configure(chosen, nest({str(key): value for key, value in given.items()}))
        name = str(body.get("name") or "").strip() or self.runs.unused(chosen.name)
        if self.jobs.reserved(name):
            raise ValueError(f"a run called {name!r} is waiting already. Choose another name.")
        words = shlex.split(" ".join(options(changed(config, catalogue.usual(chosen, config)))))
        job = self.jobs.add(name, ["train", chosen.name, "--out", str(self.runs.free(name)), *words])
        return JSONResponse({"run": name, "job": job.id})

    async def restore(self, request: Request) -> Response:
        """Bring a run back from the trash: {ticket}."""
        body = await asked(request)
        return JSONResponse({"run": await self.models.work(lambda: self.runs.restore(str(body.get("ticket"))))})

    async def jobs_now(self, request: Request) -> Response:  # noqa: ARG002
        """The queue."""
        return JSONResponse(self.jobs.rows())

    async def history(self, request: Request) -> Response:
        """A run's log so far, its pictures and its row."""
        name = request.path_params["name"]
        path = self.runs.path(name)
        row = await self.models.work(lambda: self.runs.row(name))
        found = await self.models.work(lambda: live.history(path))
        tags = self.runs.tags().get(name, [])
        return JSONResponse({**found, "pictures": live.pictures(path), "run": {**row, "tags": tags}, **self._job(name)})

    async def stream(self, request: Request) -> Response:
        """A run's log as it grows."""
        name = request.path_params["name"]
        path = self.runs.path(name)
        told = request.headers.get("last-event-id") or request.query_params.get("place") or "0"
        place = int(told) if told.isdecimal() else 0
        events = live.stream(path, place, request.is_disconnected, lambda: self._job(name))
        return StreamingResponse(events, media_type="text/event-stream")

    def _job(self, name: str) -> dict[str, Any]:
        job = self.jobs.of(name)
        return {"job": job and {"state": job.state, "error": job.error, "asked": job.asked}}

    async def settings(self, request: Request) -> Response:
        """What a run was trained by: its recipe, what differs from it, and the command."""
        run = RunFolder(self.runs.path(request.path_params["name"]))
        recipe = catalogue.recipes().get(run.config.recipe)
        differs = changed(run.config, catalogue.usual(recipe, run.config)) if recipe else {}
        described = {key: run.description.get(key) for key in ("parameters", "source", "versions", "device", "created")}
        results = [{"metric": name, **entry} for name, entry in run.evaluation.items()]
        return JSONResponse({
            "recipe": run.config.recipe, "known": recipe is not None, "differs": differs, "commands": run.commands,
            "described": described, "results": results, "skipped": run.skipped,
        })  # fmt: skip

    async def picture(self, request: Request) -> Response:
        """A picture of samples that was saved while a run trained."""
        path = self.runs.path(request.path_params["name"]) / "samples"
        file = request.path_params["file"]
        found = {one["file"] for one in live.pictures(path.parent)}
        if file not in found or (path / file).is_symlink():
            raise MissingError("there is no such picture.")
        return Response((path / file).read_bytes(), media_type="image/png")

    async def report(self, request: Request) -> Response:
        """A run's report, in a sandbox: it may neither run scripts nor speak to the studio."""
        file = self.runs.path(request.path_params["name"]) / "report.html"
        if not file.is_file() or file.is_symlink():
            raise MissingError("this run has no report yet. It is written at the end of training.")
        policy = "sandbox; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        headers = {"content-security-policy": policy + "frame-ancestors 'self'", "x-frame-options": "SAMEORIGIN"}
        return Response(file.read_bytes(), media_type="text/html; charset=utf-8", headers=headers)

    async def log(self, request: Request) -> Response:
        """The last words of the process that trains a run."""
        name = request.path_params["name"]
        return JSONResponse({"text": self.jobs.log(name)})

    async def tags(self, request: Request) -> Response:
        """Give a run other tags: {tags}."""
        tags = (await asked(request)).get("tags")
        if not isinstance(tags, list):
            raise ValueError("tags: a list is expected. Reload the page.")
        return JSONResponse({"tags": self.runs.tag(request.path_params["name"], tags)})

    async def delete(self, request: Request) -> Response:
        """Move a run to the trash."""
        name = request.path_params["name"]
        if self.jobs.reserved(name):
            raise ValueError(f"{name} is being trained. Stop it first.")
        return JSONResponse({"ticket": await self.models.work(lambda: self.runs.delete(name))})

    async def stop(self, request: Request) -> Response:
        """Ask a training to save and stop."""
        return JSONResponse({"state": self.jobs.stop(request.path_params["name"]).state})

    async def resume(self, request: Request) -> Response:
        """Go on with a run: {steps} where it is to take more."""
        name, body = request.path_params["name"], await asked(request)
        path = self.runs.path(name)
        if self.jobs.reserved(name):
            raise ValueError(f"{name} is being trained already.")
        more = ["--train.steps", str(number(body, "steps", 1, 1, 10**9))] if body.get("steps") else []
        return JSONResponse({"job": self.jobs.add(name, ["resume", str(path), *more]).id})

    async def upload(self, request: Request) -> Response:
        """Keep a picture for later questions; only its pixels, at the size of the data, and not for long."""
        data, name = await request.body(), request.path_params["name"]

        def read(run: StudioRun) -> tuple[Tensor, Any]:
            x = explore.uploaded(run, data)
            return x, explore.examples(run.source.natural(x).cpu(), run.source)

        x, shown = await self.models.ask(name, read)
        return JSONResponse({**shown, "picture": f"upload:{self.models.keep(x)}"})

    async def ask(self, request: Request) -> Response:
        """Ask a run's model."""
        name, what = request.path_params["name"], request.path_params["what"]
        body = await asked(request)
        if what in ASKS:
            question, quick = ASKS[what]
            return JSONResponse(await self.models.ask(name, lambda run: question(run, body), quick))
        if what in ON_PICTURES:
            work = ON_PICTURES[what]
            return JSONResponse(await self.models.ask(name, lambda run: work(run, self._picture(run, body), body)))
        others: Mapping[str, Callable[[StudioRun], Any]] = {
            "neighbours": lambda run: explore.neighbours(run, self._sample(run, body)),
            "chain": lambda run: self._chain(run, body),
        }
        if what not in others:
            raise MissingError(f"{what[:40]!r} cannot be asked.")
        return JSONResponse(await self.models.ask(name, others[what]))

    def _chain(self, run: StudioRun, body: Mapping[str, Any]) -> dict[str, Any]:
        state = self.models.kept(str(body["state"])) if body.get("state") else None
        answer, state = explore.chain(run, state, body)
        return {**answer, "state": self.models.keep(state)}

    def _picture(self, run: StudioRun, body: Mapping[str, Any]) -> Tensor:
        """The picture that a question is about, as the model sees it, (1, *shape): test:7 or upload:TICKET."""
        kind, _, rest = str(body.get("picture", "")).partition(":")
        if kind == "upload":
            return self.models.kept(rest)
        if kind == "test" and rest.isdecimal() and int(rest) < len(run.source.split("test")):
            return explore.held_out_example(run, int(rest))
        raise ValueError("picture: a test example or a picture of yours is expected. Choose one.")

    def _sample(self, run: StudioRun, body: Mapping[str, Any]) -> Tensor:
        """A sample, by what drew it, or a picture, in the natural unit, (1, *shape)."""
        if body.get("picture"):
            return run.source.natural(self._picture(run, body)).cpu()
        if body.get("z") is not None:
            return run.decode(torch.tensor([body["z"]], dtype=torch.float32, device=run.model.device))
        x = explore.drawn(run, body)
        index = number(body, "index", 0, 0, len(x) - 1)
        return x[index : index + 1]


def _known_recipe(name: Any) -> str:
    """The name of a recipe that there is; never a path."""
    if not isinstance(name, str) or name not in catalogue.recipes():
        raise MissingError(f"there is no recipe {str(name)[:60]!r}. Choose one of the list.")
    return name
