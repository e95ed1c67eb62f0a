import numpy as np


def model(x, α, β, Δ):
    """Größe mit Umlauten: α·exp(−β·x) + Δ."""
    return α * np.exp(-β * x) + Δ
