"""A Dask cluster for `fit_many` or a batch of files: reached, and its workers like this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PATIENCE = 8  # seconds for a scheduler to answer, and for its first worker
_BITS = ("nlsq", "python", "jax", "numpy", "NLSQ_BACKEND", "XLA_FLAGS")


@contextmanager
def connected(client: Any) -> Iterator[Any]:
    """The client of a cluster, or of the scheduler at an address; None for None.

    'local:4' starts four processes of one thread each, for as long as the context.

    Raises
    ------
    ImportError
        Without the extra ``dask``.
    TypeError
        When it is neither.
    ValueError
        When the number of 'local:N' is none.
    ConnectionError
        When no scheduler answers, or it has no workers.
    RuntimeError
        When a worker has no nlsq, or another version of what decides the bits.
    """
    if client is None:
        yield None
        return
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError("`client` needs Dask: pip install 'nlsq[dask]'") from error
    if isinstance(client, str) and client.startswith("local:"):
        count = client.removeprefix("local:")
        if not count.isdecimal() or not int(count):
            raise ValueError(f"'local:N' needs a number of processes, as local:4; got {client!r}.")
        with (
            LocalCluster(
                n_workers=int(count), threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster, set_as_default=False) as own,
        ):
            yield _checked(own)
    elif isinstance(client, str):
        with _reached(Client, client) as own:
            yield _checked(own)
    elif isinstance(client, Client):
        yield _checked(client)
    else:
        raise TypeError(
            "`client` must be a distributed.Client, the address of a scheduler, like "
            f"'tcp://host:8786', or 'local:N' for N processes here; got {client!r}."
        )


def _reached(kind: Any, address: str) -> Any:
    try:
        return kind(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address!r}: {error}. Start one there "
            "(`dask scheduler`), or see whether name and port are right."
        ) from error


def _checked(client: Any) -> Any:
    """The client, when each of its workers is like this process."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        raise ConnectionError(
            f"the Dask scheduler at {client.scheduler.address} has no workers: start some there "
            f"with `dask worker {client.scheduler.address}`."
        ) from None
    here = _about()
    for address, there in client.run(_about, on_error="return").items():
        if isinstance(there, Exception):
            raise RuntimeError(f"the worker {address} does not answer: {there!r}")
        for name in _BITS:
            if there[name] != here[name]:
                raise RuntimeError(
                    f"the worker {address} has {name} {there[name]}, this process {here[name]}: "
                    "results would differ. Install and set the same on both."
                )
    return client


def _about() -> dict[str, str | None]:
    """What decides the bits of a fit in this process."""
    import importlib.metadata
    import importlib.util
    import os
    import platform

    found: dict[str, str | None] = {"python": ".".join(platform.python_version_tuple()[:2])}
    found["nlsq"] = None
    if importlib.util.find_spec("nlsq") is not None:
        import nlsq

        found["nlsq"] = nlsq.__version__
    for name in ("jax", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found | {name: os.environ.get(name) for name in ("NLSQ_BACKEND", "XLA_FLAGS")}


_about.__module__ = "__main__"  # so that it travels as code: a worker may have no nlsq
