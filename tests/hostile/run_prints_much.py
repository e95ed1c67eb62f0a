# runs: time
def f(x, a):
    while True:
        print("no marker " * 100)
