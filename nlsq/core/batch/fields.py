"""Results of many fits, written row by row."""

from __future__ import annotations

import pathlib

import numpy as np

from nlsq.core.status import Status

COUNTS = ("nfev", "njev", "nit")


class Fields:
    """Results of `size` fits of n parameters, in memory or in .npy files of a folder.

    What is not yet written is NaN, with status NOT_REACHED.
    """

    def __init__(self, size: int, n: int, folder: pathlib.Path | None = None):
        self.null_directions: dict[int, np.ndarray] = {}  # of the fits that have some
        self._arrays = {}
        forms = {
            "popt": (np.float64, (n,), np.nan), "pcov": (np.float64, (n, n), np.nan),
            "cost": (np.float64, (), np.nan), "status": (np.int16, (), int(Status.NOT_REACHED)),
            "n_points": (np.int32, (), 0), "rank": (np.int16, (), 0),
            "active_mask": (np.int8, (n,), 0), **dict.fromkeys(COUNTS, (np.int32, (), 0)),
        }  # fmt: skip
        for name, (dtype, tail, empty) in forms.items():
            shape = (size, *tail)
            if folder is None:
                self._arrays[name] = np.empty(shape, dtype)
            else:
                path = folder / f"{name}.npy"
                self._arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, shape)
            self._arrays[name][:] = empty

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["_arrays"][name]
        except KeyError:
            raise AttributeError(name) from None

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return dict(self._arrays)
