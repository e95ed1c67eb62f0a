from scipy.integrate import odeint


def model(t, r, K):
    return odeint(lambda y, _: r * y * (1 - y / K), 0.1, t)[:, 0]
