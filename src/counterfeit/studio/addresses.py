"""Where a server listens, and by which names it may be called."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

__all__ = ["bound", "hosts_of", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def hosts_of(host: str, port: int) -> list[str]:
    """Names under which a browser may call a server that listens on `host`.

    Example:
        >>> hosts_of("127.0.0.1", 80)
        ['127.0.0.1:80', 'localhost:80', '[::1]:80', '127.0.0.1', 'localhost', '[::1]']
    """
    names = ["127.0.0.1", "localhost", "[::1]"]
    if not is_loopback(host):
        wide = host in ("0.0.0.0", "::")
        own = {host} if not wide else {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
        names += [f"[{name}]" if ":" in str(name) else str(name) for name in sorted(map(str, own))]
        names += [socket.gethostname()] if wide else []
    return [f"{name}:{port}" for name in names] + (names if port == 80 else [])


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ValueError: nobody can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # said, or asyncio waits 40 ms for more
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        why = (error.strerror or str(error)).lower()
        told = f"{host}:{port} cannot be listened to: {why}. Take another --port, or 0 for a free one."
        raise ValueError(told) from None
    return listening
