import numpy as np
from scipy.constants import R


def model(T, A, Ea):
    """Arrhenius law, Ea in kJ/mol."""
    return A * np.exp(-Ea * 1e3 / (R * (T + 300.0)))
