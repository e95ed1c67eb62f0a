import numpy as np


def model(x, a, b):
    return a * x + b


if __name__ == "__main__":
    import matplotlib.pyplot as plt

    x = np.linspace(0, 10)
    plt.plot(x, model(x, 1, 2))
    plt.savefig("line.png")
    print("saved", open("line.png", "rb").read()[:4])
