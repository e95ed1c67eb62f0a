# runs: error
from scipy import stats
class A:
    def _construct_argparser(self, a, b, c): return a
    def get(self):
        return self._construct_argparser([stats.norm.pdf], "x=open('nlsq_marker', 'w')", "loc")
def f(x, a):
    return A.get(stats.norm)
