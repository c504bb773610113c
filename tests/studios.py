"""A studio over a folder of small runs, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from counterfeit import catalogue
from counterfeit.config.nested import merge
from counterfeit.run.run import train
from counterfeit.studio.app import create
from counterfeit.studio.gate import CSRF, Keys

HOST = "127.0.0.1:8014"
KEYS = Keys("the-token", "the-session", "the-csrf")
QUIET = {"train": {"threads": 1, "device": "cpu", "tensorboard": False}}


def smoke(recipe: str, folder: Path, **more: Any) -> Path:
    """A run of the smoke settings of a recipe, in a folder of its name or the one that is given."""
    settings = merge(merge(dict(catalogue.recipe(recipe).smoke), QUIET), more)
    return train(recipe, out=folder, settings=settings, show=False).path


@contextmanager
def studio(root: Path, known: bool = True) -> Iterator[TestClient]:
    """A client of a studio; with its cookie where it is known there."""
    with TestClient(create(root, KEYS, [HOST]), base_url=f"http://{HOST}", follow_redirects=False) as client:
        if known:
            client.cookies.set("counterfeit-8014", KEYS.session)
        yield client


def headers(**others: str) -> dict[str, str]:
    """Those of a request of one of the studio's own pages."""
    return {"origin": f"http://{HOST}", CSRF: KEYS.csrf, **others}


def ask(client: TestClient, run: str, what: str, **body: Any) -> Any:
    """What a run's model answers."""
    answer = client.post(f"/api/runs/{run}/ask/{what}", json=body, headers=headers())
    assert answer.status_code == 200, answer.text
    return answer.json()


