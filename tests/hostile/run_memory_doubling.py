# runs: memory
def f(x, a):
    text = ["x"]
    while True:
        text = text + text
