def model(x, vmax, k, n):
    return vmax * x**n / (k**n + x**n)
