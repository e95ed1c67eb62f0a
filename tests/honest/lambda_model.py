import numpy as np

model = lambda x, a, b: a * np.log1p(np.abs(b * x))  # noqa: E731
