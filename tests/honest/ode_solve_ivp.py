import numpy as np
from scipy.integrate import solve_ivp


def model(t, k1, k2):
    def rhs(_, y):
        return [-k1 * y[0], k1 * y[0] - k2 * y[1]]

    solution = solve_ivp(rhs, (0, float(t[-1])), [1.0, 0.0], t_eval=t, rtol=1e-8, atol=1e-10)
    return np.asarray(solution.y[1])
