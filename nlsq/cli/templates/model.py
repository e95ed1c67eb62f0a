"""A model for `nlsq fit data.csv -m model.py:decay`."""

import numpy as np


def decay(t, amplitude, tau, offset):
    """The model: the variable first, then the parameters."""
    return amplitude * np.exp(-t / tau) + offset


def estimate_p0(t, y):
    """A start from the data; may be left out."""
    return [y.max() - y.min(), (t.max() - t.min()) / 3, y.min()]
