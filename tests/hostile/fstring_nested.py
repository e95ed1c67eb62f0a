print(f"{f'{().__class__.__base__}'} NLSQ_MARKER")  # <-


def f(x, a):
    return a * x
