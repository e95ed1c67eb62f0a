from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Setup:
    wavelength: float = 0.633
    distance: float = 1.0

    @property
    def k(self) -> float:
        return 2 * np.pi / self.wavelength


SETUP = Setup(distance=2.0)


def model(x, i0, width):
    u = SETUP.k * width * x / (2 * SETUP.distance)
    return i0 * np.sinc(u / np.pi) ** 2
