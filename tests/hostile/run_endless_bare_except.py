# runs: time
def f(x, a):
    while True:
        try:
            while True:
                a = a + 1
        except:
            pass
