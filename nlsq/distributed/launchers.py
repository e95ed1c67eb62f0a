"""What a launcher tells a process of its job: where its first process listens, how many, which.

JAX knows how Slurm, Open MPI 4 and Kubernetes say it, by `jax.distributed`'s own detection. MPI's
process managers (PMI of MPICH and Intel MPI, PMIx of Open MPI 5) say how many and which, but not
where: on one machine that is loopback.
"""

from __future__ import annotations

import os

# (processes of the job, of them on this machine, this one) by the launcher
_COUNTED = (
    ("JAX_NUM_PROCESSES", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "MPI_LOCALNRANKS", "PMI_RANK"),
)
_PORT = 42019  # where MPI's processes of one machine meet, unless they are told


def place(address: str | None, count: int | None, rank: int | None) -> tuple[str, int, int]:
    """(address of the first process, number of processes, this one's), completed and checked.

    Raises
    ------
    ValueError
    """
    address = address or os.environ.get("JAX_COORDINATOR_ADDRESS")
    if None in (address, count, rank):
        address, count, rank = _told(address, count, rank)
    missing = [
        name
        for name, value in (
            ("coordinator_address", address), ("num_processes", count), ("process_id", rank)
        )
        if value is None
    ]  # fmt: skip
    if missing:
        raise ValueError(
            f"Nothing says the {', '.join(missing)} of this process: no launcher (Slurm, MPI, "
            "Kubernetes) that is known has set it. Pass coordinator_address='host:port', "
            "num_processes and process_id."
        )
    for name, value, least in (("num_processes", count, 1), ("process_id", rank, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number, {least} or more; got {value!r}.")
    if rank >= count:
        raise ValueError(f"process_id must be less than num_processes, {count}; got {rank}.")
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"coordinator_address must be 'host:port', got {address!r}.")
    return address, count, rank


def _told(address, count, rank) -> tuple:
    """The three, completed by what a launcher set."""
    for of_job, of_machine, this in _COUNTED:
        said = [os.environ.get(name, "") for name in (of_job, of_machine, this)]
        if said[0].isdigit() and said[2].isdigit():
            count = int(said[0]) if count is None else count
            rank = int(said[2]) if rank is None else rank
            if address is None and said[1] == said[0] and of_job != "JAX_NUM_PROCESSES":
                address = f"127.0.0.1:{_PORT}"
            break
    if None in (address, count, rank):
        from nlsq import xla

        address, count, rank = xla.told_by_cluster(address, count, rank)
    return address, count, rank
