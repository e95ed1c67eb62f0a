"""Which chunks of a source each process of a job reads.

Chunks are dealt out in rounds, in the order of the data: each rank takes a run of consecutive ones,
so that a file is read in long pieces, and at the end of a round all ranks hear the sums of all its
chunks and add them in order. What has been added up is then the same everywhere, after every round
the beginning of the whole, as in one process: the same bits, and a checkpoint that any number of
processes can go on from. How chunks are dealt depends on their number and that of ranks alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.distributed.alone import Alone
    from nlsq.distributed.ranks import Ranks

ROUND = 1 << 23  # points of a rank in a round at most: some tenths of a second


class Shares:
    """The chunks of `n_points` points, dealt to the ranks of a job.

    Attributes
    ----------
    rounds : list of (first, stop)
        The chunks of each round.
    own : range or list
        The chunks of this rank, in order.

    Examples
    --------
    >>> from nlsq.distributed.alone import Alone
    >>> Shares(Alone(), 1000, 100).own
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    def __init__(self, ranks: Alone | Ranks, n_points: int, capacity: int):
        self.ranks, self.capacity = ranks, capacity
        chunks = -(-n_points // capacity)
        count = -(-chunks // (max(ROUND // capacity, 1) * ranks.count))
        edges = [chunks * k // count for k in range(count + 1)]
        self.rounds = list(pairwise(edges))
        self.own = [index for one in self.rounds for index in self.mine(*one)]

    def mine(self, first: int, stop: int) -> range:
        """The chunks of this rank in a round."""
        rank, count = self.ranks.rank, self.ranks.count
        edges = (first + (stop - first) * r // count for r in (rank, rank + 1))
        return range(*edges)
