"""Tells which packages are there."""

from collections.abc import Callable
from importlib.metadata import distributions


def application(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
    """Answer with the name and version of each package."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sorted(f"{one.name}-{one.version}" for one in distributions())).encode()]
