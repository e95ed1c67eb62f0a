import numpy as np


class Base:
    def __init__(self, n):
        self.n = n


class Stretched(Base):
    def __init__(self, n, floor=0.0):
        super().__init__(n)
        self.floor = floor

    def __call__(self, t, a, tau):
        return a * np.exp(-((t / tau) ** self.n)) + self.floor


model = Stretched(0.5)
