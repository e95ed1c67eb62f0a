"""A finished fit's numbers."""

from __future__ import annotations

import numpy as np

from nlsq.core.loop.state import Method, state_packing

# With every |R_jj| above this share of its column the smallest singular value is far from zero.
_SAFE_DIAGONAL = 1e-3
_LEAST_SQUARE = 1e-200  # of R_jj, as a share of 1 + the cost


class Outcome:
    """A finished fit's numbers, from the vector of its last state."""

    def __init__(self, vector: np.ndarray, method: Method):
        at = state_packing(method).places
        p = at.point
        vector = vector.copy()  # JAX's memory is read-only
        n = method.n
        self.x, self.z, self.norms = vector[p.x], vector[p.z], vector[p.norms]
        self.columns = vector[at.columns]
        self.R, self.P = vector[p.R].reshape(n, n), vector[p.P].reshape(n, n)
        flags = vector[p.dead.start : p.dependent.stop].astype(bool)  # they are neighbours
        self.dead, self.dependent = flags[:n], flags[n:]
        number = vector.item
        self.cost, self.pivot, self.optimality = (
            number(p.cost),
            number(p.pivot),
            number(p.optimality),
        )
        self.status, self.nfev = int(number(at.status)), int(number(at.nfev))
        self.njev, self.nit = int(number(at.njev)), int(number(at.nit))
        self.tries: tuple = ()  # see `tries.Tally`, as for the next
        self.own_nit: int | None = None  # of the try that was kept, where `nit` is of all
        # in plain numbers, since every NumPy call costs a small fit microseconds
        self.lengths = self.norms.tolist()
        # some parameter changes nothing, by itself or beside others
        self.lost = True in flags.tolist()
        self.regular = not self.lost and self._is_regular(vector[p.R][:: n + 1], self.norms)

    def leave_out(self, held: np.ndarray) -> None:
        """Say of the other parameters alone whether the fit has `lost` one and is `regular`."""
        free = ~held
        self.lost = bool((self.dead | self.dependent)[free].any())
        diagonal = np.diagonal(self.R)[free]
        self.regular = not self.lost and self._is_regular(diagonal, self.norms[free])

    def _is_regular(self, diagonal: np.ndarray, norms: np.ndarray) -> bool:
        """R is far from singular, and no column next to 0, whose variance would overflow."""
        least = _LEAST_SQUARE * (1 + self.cost)
        return False not in [
            abs(r) > _SAFE_DIAGONAL * d and r * r > least
            for r, d in zip(diagonal.tolist(), norms.tolist(), strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))

    @property
    def gradient(self) -> np.ndarray:
        """g = R^T z (n,)."""
        return self.R.T @ self.z

    @property
    def moved(self) -> bool:
        """Whether the fit left its start."""
        return (self.nit if self.own_nit is None else self.own_nit) > 0
