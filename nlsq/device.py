"""What JAX can compute on here."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from nlsq.config import env_flag

_lock = threading.Lock()
# in the names of devices with many units for double precision
_FULL_RATE = frozenset(
    "P100 V100 A30 A100 H100 H200 GH200 B200 GB200 MI100 MI200 MI210 MI250 MI300".split()
)


def get_device_info() -> dict[str, Any]:
    """Describe the devices JAX uses.

    Returns
    -------
    dict
        ``jax_version`` and ``jaxlib_version``; ``backend`` (``"cpu"``, ``"gpu"`` or ``"tpu"``);
        ``devices``, a list of dicts with ``id``, ``platform``, ``kind`` and ``memory_bytes`` (None
        where the device does not say); ``cpu_count``, the cores this process may use;
        ``memory_bytes`` and ``free_memory_bytes`` of the machine; ``gpu_available``.

    Examples
    --------
    >>> get_device_info()["backend"] in ("cpu", "gpu", "tpu")
    True
    """
    from importlib.metadata import version

    import jax
    import psutil

    memory = psutil.virtual_memory()
    devices = [
        {
            "id": device.id,
            "platform": device.platform,
            "kind": device.device_kind,
            "memory_bytes": (device.memory_stats() or {}).get("bytes_limit"),
        }
        for device in jax.devices()
    ]
    return {
        "jax_version": jax.__version__,
        "jaxlib_version": version("jaxlib"),
        "backend": jax.default_backend(),
        "devices": devices,
        "cpu_count": usable_cores(),
        "memory_bytes": memory.total,
        "free_memory_bytes": memory.available,
        "gpu_available": any(d["platform"] in ("gpu", "cuda", "rocm") for d in devices),
    }


def check_gpu_availability(warn: bool = True) -> bool:
    """Whether JAX can use a GPU; warn when the machine has an NVIDIA GPU that JAX cannot use.

    Parameters
    ----------
    warn : bool
        Warn about such a GPU (default). ``NLSQ_SKIP_GPU_CHECK=1`` silences it too, and then no
        program is run to look for one.

    Returns
    -------
    bool
        True if JAX sees a GPU.
    """
    import jax

    if jax.default_backend() == "gpu":
        return True
    if warn and not env_flag("NLSQ_SKIP_GPU_CHECK"):
        names = _nvidia_gpus()
        if names:
            warnings.warn(
                f"This machine has {', '.join(names)}, but JAX {jax.__version__} computes on the "
                f"{jax.default_backend()}. Install JAX with GPU support (see "
                "https://docs.jax.dev/en/latest/installation.html), or set NLSQ_SKIP_GPU_CHECK=1.",
                stacklevel=2,
            )
    return False


def _nvidia_gpus() -> list[str]:
    """Names of the NVIDIA GPUs the driver reports, JAX or not."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer is no GPU
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _synchronous_device() -> Any:
    from nlsq import xla

    return xla.synchronous_device()


def _in_calling_thread() -> Any:
    """`xla.synchronous_device`, one for all."""
    with _lock:  # `cache` would let threads that come together make one each
        return _synchronous_device()


def in_calling_thread() -> AbstractContextManager:
    """A context in which small programs run in the calling thread, if they run on the CPU.

    JAX's client hands every program of more than 1000 operations to a thread of its own. To wake it
    takes as long as the fit of 100 points: 0.13 of 0.4 ms on two cores of a virtual machine.
    Where the default device is none of the CPU's, the context changes nothing.
    """
    import jax

    if not small_programs_run_here():
        return nullcontext()
    return jax.default_device(_in_calling_thread())


def small_programs_run_here() -> bool:
    """Whether `in_calling_thread` has an effect."""
    return _on_cpu() and _in_calling_thread() is not None


def double_is_slow() -> str:
    """The kind of the device that fits use, if its double precision is much slower; else "".

    The CPU and the accelerators made for simulations compute in it at half the rate of single
    precision; other GPUs have few units for it, and TPUs none.

    Examples
    --------
    >>> double_is_slow() if get_device_info()["backend"] == "cpu" else ""
    ''
    """
    import jax

    if _on_cpu():
        return ""
    chosen = jax.config.jax_default_device
    device = chosen if hasattr(chosen, "device_kind") else jax.devices()[0]
    kind = device.device_kind
    words = kind.replace("-", " ").split()
    return "" if any(word.rstrip("AX") in _FULL_RATE for word in words) else kind


def _on_cpu() -> bool:
    import jax

    chosen = jax.config.jax_default_device
    platform = jax.default_backend() if chosen is None else getattr(chosen, "platform", chosen)
    return platform == "cpu"
