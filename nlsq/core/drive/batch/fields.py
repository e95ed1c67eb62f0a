"""Results of many fits, written row by row."""

from __future__ import annotations

import pathlib

import numpy as np

from nlsq.core.loop.status import Status

COUNTS = ("nfev", "njev", "nit")
_NUMBERS = ("popt", "pcov", "cost")


class Fields:
    """Results of `size` fits of n parameters, in memory or in .npy files of a folder.

    What is not yet written has status NOT_REACHED. In files it is NaN; in memory `blank` makes it
    so at the end, since to fill an array takes as long as to write it.
    """

    def __init__(self, size: int, n: int, folder: pathlib.Path | None = None):
        self.null_directions: dict[int, np.ndarray] = {}  # of the fits that have some
        self._arrays = {}
        forms = {
            "popt": (np.float64, (n,)), "pcov": (np.float64, (n, n)), "cost": (np.float64, ()),
            "status": (np.int16, ()), "n_points": (np.int32, ()), "rank": (np.int16, ()),
            "active_mask": (np.int8, (n,)), **dict.fromkeys(COUNTS, (np.int32, ())),
        }  # fmt: skip
        for name, (dtype, tail) in forms.items():
            shape = (size, *tail)
            if folder is None:
                self._arrays[name] = np.empty(shape, dtype)
            else:
                path = folder / f"{name}.npy"
                path.unlink(missing_ok=True)  # results that map it keep what they have
                self._arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, shape)
            if name not in _NUMBERS:
                self._arrays[name][:] = int(Status.NOT_REACHED) if name == "status" else 0
        if folder is not None:
            self.blank(slice(None))

    def blank(self, where) -> None:
        """Make the numbers of the fits at `where` NaN."""
        for name in _NUMBERS:
            self._arrays[name][where] = np.nan

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["_arrays"][name]
        except KeyError:
            raise AttributeError(name) from None

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return dict(self._arrays)
