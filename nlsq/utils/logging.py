"""Loggers that are silent unless the user asks for them."""

from __future__ import annotations

import logging
import os
import sys

_ROOT = "nlsq"


def get_logger(name: str = _ROOT) -> logging.Logger:
    """Return the logger `name`, below ``"nlsq"``.

    Nothing is written until the program configures logging itself, or ``NLSQ_DEBUG=1`` is set: then
    every level goes to standard error.

    Examples
    --------
    >>> get_logger("core.loop").name
    'nlsq.core.loop'
    """
    root = logging.getLogger(_ROOT)
    if not root.handlers:
        root.addHandler(_debug_handler() if debug_requested() else logging.NullHandler())
    full = name if name == _ROOT or name.startswith(f"{_ROOT}.") else f"{_ROOT}.{name}"
    return logging.getLogger(full)


def debug_requested() -> bool:
    """Whether ``NLSQ_DEBUG`` asks for debugging output."""
    return os.environ.get("NLSQ_DEBUG", "").lower() in ("1", "true", "yes", "on")


def _debug_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    root = logging.getLogger(_ROOT)
    root.setLevel(logging.DEBUG)
    root.propagate = False  # else a program with its own root handler prints each line twice
    return handler
