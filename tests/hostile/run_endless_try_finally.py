# runs: time
def f(x, a):
    while True:
        try:
            continue
        finally:
            continue
