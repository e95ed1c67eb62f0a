from functools import partial

import numpy as np


def stretched(t, a, tau, beta):
    return a * np.exp(-((t / tau) ** beta))


model = partial(stretched, beta=0.7)
