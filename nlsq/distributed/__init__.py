"""One fit on many processes, on one machine or several.

After `initialize` a fit of a source (`nlsq.fit`, `curve_fit`, read in pieces) is made by all
processes of a job together, each of which calls it alike: each reads its own part of the data, and
all get the same result, bit for bit that of one process. Every other fit stays in its process.

alone       the job of one process, which every program is at first
ranks       the processes of a job and what they tell each other
launchers   what Slurm, MPI, Kubernetes and the like tell a process of its job
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlsq.distributed.alone import ALONE, Alone

if TYPE_CHECKING:
    from nlsq.distributed.ranks import Ranks

__all__ = ["LostRank", "current", "initialize", "shutdown"]

_ranks: Alone | Ranks = ALONE


class LostRank(RuntimeError):
    """A process of the job is not there any more; says which, and what is left to go on from."""


def current() -> Alone | Ranks:
    """The processes that fit together: this one alone, before `initialize`."""
    return _ranks


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: float = 120.0,
) -> None:
    """Join this process to the others of its job; all of them call it, before their first fit.

    What is not given is read from what the launcher set: ``srun`` (Slurm), ``mpirun`` (Open MPI,
    MPICH, Intel MPI), Kubernetes, or the variables ``JAX_COORDINATOR_ADDRESS``,
    ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``.

    Parameters
    ----------
    coordinator_address : str, optional
        Where process 0 listens, ``"host:port"``; the others must be able to reach it. Whoever
        reaches it can take part, as with ``jax.distributed``: choose a network of your own.
    num_processes : int, optional
        How many processes there are.
    process_id : int, optional
        The rank of this one, from 0.
    timeout : float
        Seconds to wait for all of them.

    Raises
    ------
    ValueError
        Nothing tells how many processes there are, or these run different versions of Python,
        NumPy, JAX or nlsq, or other settings of the environment; it names the ranks.
    LostRank
        Some did not come in time.
    RuntimeError
        This process belongs to a job already.

    Notes
    -----
    Each process reads its own part of arrays, HDF5, Zarr, npy and Parquet files (whole row groups),
    and of what has ``get_chunk``. All read the whole of CSV and Arrow files, of an iterable, and
    where points are left out (``nan_policy='omit'``), since a point's place is then known only from
    those before it; they still compute their own part alone.

    The callback, the progress, the time limit and the checkpoints are those of process 0. A process
    that is lost, killed or with its machine, ends the fits of the others with a
    `LostRank` that names it, within some seconds. Where the fit has a checkpoint, start any number
    of processes anew with ``resume=True``.

    Examples
    --------
    >>> import nlsq
    >>> nlsq.distributed.initialize("127.0.0.1:0", num_processes=1, process_id=0)
    """
    global _ranks
    from nlsq.distributed.launchers import place
    from nlsq.distributed.ranks import joined

    if _ranks.count > 1:
        raise RuntimeError(
            f"This process is rank {_ranks.rank} of {_ranks.count} already; initialize is called "
            "once, or after nlsq.distributed.shutdown()."
        )
    address, count, rank = place(coordinator_address, num_processes, process_id)
    if count > 1:
        _ranks = joined(address, count, rank, timeout)


def shutdown() -> None:
    """Leave the job: fits are this process's own again. A process that ends does so by itself.

    Examples
    --------
    >>> import nlsq
    >>> nlsq.distributed.shutdown()
    """
    global _ranks
    _ranks.close()
    _ranks = ALONE
