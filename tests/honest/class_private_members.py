import numpy as np


class Cache:
    """Remembers the grid."""

    def __init__(self, n):
        self._n = n
        self.__grid = None

    def _make(self):
        return np.linspace(0, 1, self._n)

    @property
    def grid(self):
        if self.__grid is None:
            self.__grid = self._make()
        return self.__grid

    @staticmethod
    def _kernel(u, b):
        return np.exp(-b * u)

    def __call__(self, x, a, b):
        return a * np.mean(self._kernel(np.outer(x, self.grid), b), axis=1)


_CACHE = Cache(11)


def model(x, a, b):
    return _CACHE(x, a, b)
