from typing import NamedTuple

import numpy as np


class Band(NamedTuple):
    center: float
    width: float


BANDS = (Band(2.0, 0.5), Band(6.0, 1.0))


def model(x, a, b):
    first, second = BANDS
    return a * np.exp(-(((x - first.center) / first.width) ** 2)) + b * np.exp(
        -(((x - second.center) / second.width) ** 2)
    )
