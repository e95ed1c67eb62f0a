"""``nlsq info``: what this installation runs on."""

from __future__ import annotations

import click

_VARIABLES = (
    "NLSQ_FORCE_CPU",
    "NLSQ_SKIP_GPU_CHECK",
    "NLSQ_DISABLE_PERSISTENT_CACHE",
    "NLSQ_DEBUG",
    "NLSQ_BACKEND",
    "NLSQ_MEMORY_LIMIT_GB",
    "NLSQ_PREPROCESSOR_IMPL",
    "NLSQ_SELECTOR_IMPL",
    "NLSQ_STREAMING_IMPL",
    "NLSQ_COVARIANCE_IMPL",
    "NLSQ_REFACTOR_ROLLOUT_PERCENT",
)


@click.command()
def info() -> None:
    """Show versions, devices, memory and settings."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts():
        table.add_row(name, value)
    Console(highlight=False).print(table)


def _facts() -> list[tuple[str, str]]:
    import os
    import platform
    import warnings

    import numpy
    import scipy

    import nlsq
    from nlsq import xla
    from nlsq.caching.disk import cache_directory
    from nlsq.config import get_large_dataset_config, get_memory_config
    from nlsq.device import check_gpu_availability, get_device_info
    from nlsq.session.errors import ConfigurationError

    gb = 10**9
    try:
        device = get_device_info()
        limit = get_memory_config()
        allowed = f"{limit.usable_bytes / gb:.1f} GB of the {limit.limit_bytes / gb:.1f} GB limit"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_gpu_availability()
        cache = cache_directory()
    except ValueError as error:  # an environment variable of ours with a wrong value
        raise ConfigurationError(str(error)) from None
    thresholds = get_large_dataset_config().solver_selection_thresholds
    names = [f"{d['kind']} {d['id']}" for d in device["devices"]]
    return [
        ("nlsq", nlsq.__version__),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("JAX", f"{device['jax_version']} (jaxlib {device['jaxlib_version']})"),
        *[("not in it", ", ".join(xla.MISSING))] * bool(xla.MISSING),
        ("NumPy, SciPy", f"{numpy.__version__}, {scipy.__version__}"),
        ("backend", f"{device['backend']}: {', '.join(names)}"),
        *[("note", str(warning.message)) for warning in caught],
        ("CPU cores", str(device["cpu_count"])),
        ("memory", f"{device['memory_bytes'] / gb:.1f} GB"),
        ("free memory", f"{device['free_memory_bytes'] / gb:.1f} GB"),
        ("fits may use", allowed),
        ("points", ", ".join(f"{k} to {v:,}" for k, v in thresholds.items())),
        ("compiled code", cache or "not kept on disk"),
        *[(name, os.environ[name]) for name in _VARIABLES if name in os.environ],
    ]
