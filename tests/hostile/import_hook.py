import sys  # <-
class Finder:
    def find_spec(self, name, path=None, target=None):
        print("NLSQ_MARKER")
sys.meta_path.insert(0, Finder())
import math


def f(x, a):
    return a * x
