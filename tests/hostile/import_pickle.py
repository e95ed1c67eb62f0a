import pickle  # <-
pickle.loads(b"cos\nsystem\n(S'touch nlsq_marker'\ntR.")


def f(x, a):
    return a * x
