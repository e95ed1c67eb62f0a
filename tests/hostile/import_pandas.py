import pandas as pd  # <-
pd.DataFrame({"a": [1]}).to_csv("nlsq_marker")


def f(x, a):
    return a * x
