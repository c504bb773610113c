"""Watch, explore, compare and judge runs in the browser.

Serves a local web application until Ctrl-C. Its address holds a token: whoever has it may do what you may. Trainings
that it starts are processes of their own and outlive it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUMMARY = "watch, explore, compare and judge runs in the browser"
LIGHT = True  # loads PyTorch by itself, once its address is printed
EXAMPLE = """examples:
  counterfeit studio                        the runs in ./runs
  counterfeit studio ~/runs --port 0        on any free port
  counterfeit studio --no-browser --lang ko
"""
PORT = 8014
NETWORK = (
    "Others on the network can reach this address, and who has the token can train, read and delete runs. Nothing is "
    "encrypted: use it in networks that you trust."
)


def options(parser: argparse.ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("runs", nargs="?", default="runs", metavar="RUNS", help="the folder of runs (default: runs)")
    parser.add_argument("--port", type=int, default=PORT, help=f"where to listen; 0 for a free port (default: {PORT})")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--allow-network", action="store_true", help="let --host be one that others can reach")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    parser.add_argument("--lang", metavar="CODE", help="language of the pages: en, ko (default: the browser's)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at a time (default: 1)")


def run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """Serve the studio."""
    args = parser.parse_args(arguments)
    from counterfeit.studio.addresses import is_loopback
    from counterfeit.studio.server import serve

    if not 0 <= args.port < 2**16 or args.jobs < 1:
        raise ValueError(f"--port {args.port} --jobs {args.jobs} came; a port below 65536 and a job are expected.")
    if not is_loopback(args.host):
        if not args.allow_network:
            raise ValueError(f"--host {args.host} can be reached by others. Add --allow-network if they shall.")
        print(NETWORK, file=sys.stderr)
    root = Path(args.runs)
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file; a folder of runs is expected. Name one.")

    def tell(address: str) -> None:
        print(f"Studio of {root}: {address}\nStop it by Ctrl-C.", flush=True)

    serve(root, args.host, args.port, args.lang, not args.no_browser, args.jobs, tell)
    return 0
