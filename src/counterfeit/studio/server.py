"""Serves the studio: an address with a token, and a server that waits for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from counterfeit.studio.addresses import bound, hosts_of, is_loopback
from counterfeit.studio.app import create
from counterfeit.studio.gate import Keys
from counterfeit.studio.words import languages

__all__ = ["serve"]

AT_ONCE = 200  # connections
HEADER = 32 * 1024  # bytes that a request's headers may take


def serve(
    root: Path, host: str, port: int, language: str | None, browser: bool, beside: int, tell: Callable[[str], None]
) -> None:  # fmt: skip
    """Serve until Ctrl-C.

    Arguments:
        root: the folder of runs.
        host: where to listen.
        port: likewise; 0 for a free one.
        language: of the first page; the browser's where None.
        browser: open one.
        beside: trainings at a time.
        tell: is told the address.

    Raises:
        ValueError: for a language that there is not, or a place where nobody can listen.
    """
    if language and language not in languages():
        raise ValueError(f"language {language!r} came; one of {', '.join(languages())} is expected.")
    keys = Keys()
    with bound(host, port) as listening:
        number = int(listening.getsockname()[1])
        app = create(root, keys, hosts_of(host, number), beside)
        name = "127.0.0.1" if is_loopback(host) or host in ("0.0.0.0", "::") else host
        address = f"http://{f'[{name}]' if ':' in name else name}:{number}/?token={keys.token}"
        address += f"&lang={language}" if language else ""

        def ready() -> None:
            tell(address)
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        asyncio.run(_serve(app, listening, ready))


async def _serve(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, ws="none", limit_concurrency=AT_ONCE,
        h11_max_incomplete_event_size=HEADER, timeout_keep_alive=20, timeout_graceful_shutdown=1, http="h11",
        loop="asyncio",
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    if server.started:
        ready()
    with contextlib.suppress(asyncio.CancelledError):
        await running
