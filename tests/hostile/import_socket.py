import socket  # <-
socket.socket().connect(("127.0.0.1", 80)); print("NLSQ_MARKER")


def f(x, a):
    return a * x
