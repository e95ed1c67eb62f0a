# runs: memory
def f(x, a):
    kept = []
    while True:
        kept.append(bytearray(10**7))
