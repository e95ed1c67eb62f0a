import threading  # <-
threading.Thread(target=lambda: print("NLSQ_MARKER")).start()


def f(x, a):
    return a * x
