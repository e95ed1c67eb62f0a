# runs: error
class Evil(Exception):
    def __str__(self):
        return "\x1b[2J" * 10**5
def f(x, a):
    raise Evil
