import numpy as np
from scipy.linalg import expm


def model(t, k1, k2):
    rates = np.array([[-k1, 0.0], [k1, -k2]])
    return np.array([(expm(rates * ti) @ np.array([1.0, 0.0]))[1] for ti in t])
