"""What must be the same of all processes of a job: versions and settings."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import version
from typing import Any

_FLAGS = ("NLSQ_", "XLA_", "JAX_")  # settings of the environment that numbers depend on
# that differ by right, as what tells a process its place in the job, or change no number
_OWN = (
    "JAX_COORDINATOR_ADDRESS", "JAX_COORDINATOR_BIND_ADDRESS", "JAX_PROCESS_ID",
    "JAX_NUM_PROCESSES", "JAX_LOCAL_DEVICE_IDS", "JAX_COMPILATION_CACHE_DIR", "NLSQ_CACHE_DIR",
    "NLSQ_LAUNCHED",
)  # fmt: skip


def facts() -> dict[str, Any]:
    """Where this process runs, and what of it must be alike in all."""
    from nlsq import __version__

    alike = {
        "nlsq": __version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "jax", "jaxlib")},
        "processor": platform.machine(),
    }
    for name in sorted(os.environ):
        if name.startswith(_FLAGS) and name not in _OWN:
            alike[name] = os.environ[name]
    return {"host": socket.gethostname(), "process": os.getpid(), "alike": alike}


def differences(told: list[dict[str, Any]]) -> list[str]:
    """A sentence for each thing in which the ranks differ: who has what."""
    sentences = []
    for name in dict.fromkeys(name for of in told for name in of):
        values = [of.get(name) for of in told]
        if any(value != values[0] for value in values):
            ranks: dict[str, list[str]] = {}
            for rank, value in enumerate(values):
                ranks.setdefault("none" if value is None else str(value), []).append(str(rank))
            each = "; ".join(f"rank {', '.join(of)}: {value}" for value, of in ranks.items())
            sentences.append(f"{name} differs ({each}).")
    return sentences
