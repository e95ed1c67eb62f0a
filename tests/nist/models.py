"""The model functions of NIST's problems, written once for NumPy and for JAX.

`make(np)` gives the functions by problem name, as a user of the module `np` would write them.
"""


def make(np):
    """Model functions ``f(x, b1, b2, ...)`` by problem name, in terms of the array module `np`."""

    def saturation(x, b1, b2):
        return b1 * (1 - np.exp(-b2 * x))

    def misra1b(x, b1, b2):
        return b1 * (1 - (1 + b2 * x / 2) ** -2)

    def misra1c(x, b1, b2):
        return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)

    def misra1d(x, b1, b2):
        return b1 * b2 * x * (1 + b2 * x) ** -1

    def chwirut(x, b1, b2, b3):
        return np.exp(-b1 * x) / (b2 + b3 * x)

    def lanczos(x, b1, b2, b3, b4, b5, b6):
        return b1 * np.exp(-b2 * x) + b3 * np.exp(-b4 * x) + b5 * np.exp(-b6 * x)

    def gauss(x, b1, b2, b3, b4, b5, b6, b7, b8):
        decay = b1 * np.exp(-b2 * x)
        first = b3 * np.exp(-((x - b4) ** 2) / b5**2)
        second = b6 * np.exp(-((x - b7) ** 2) / b8**2)
        return decay + first + second

    def danwood(x, b1, b2):
        return b1 * x**b2

    def kirby2(x, b1, b2, b3, b4, b5):
        return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)

    def cubic_ratio(x, b1, b2, b3, b4, b5, b6, b7):
        return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)

    def nelson(x, b1, b2, b3):
        time, temperature = x
        return b1 - b2 * time * np.exp(-b3 * temperature)

    def mgh17(x, b1, b2, b3, b4, b5):
        return b1 + b2 * np.exp(-x * b4) + b3 * np.exp(-x * b5)

    def roszman1(x, b1, b2, b3, b4):
        return b1 - b2 * x - np.arctan(b3 / (x - b4)) / np.pi

    def enso(x, b1, b2, b3, b4, b5, b6, b7, b8, b9):
        turn = 2 * np.pi * x
        year = b2 * np.cos(turn / 12) + b3 * np.sin(turn / 12)
        slow = b5 * np.cos(turn / b4) + b6 * np.sin(turn / b4)
        fast = b8 * np.cos(turn / b7) + b9 * np.sin(turn / b7)
        return b1 + year + slow + fast

    def mgh09(x, b1, b2, b3, b4):
        return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)

    def mgh10(x, b1, b2, b3):
        return b1 * np.exp(b2 / (x + b3))

    def rat42(x, b1, b2, b3):
        return b1 / (1 + np.exp(b2 - b3 * x))

    def rat43(x, b1, b2, b3, b4):
        return b1 / (1 + np.exp(b2 - b3 * x)) ** (1 / b4)

    def eckerle4(x, b1, b2, b3):
        return (b1 / b2) * np.exp(-0.5 * ((x - b3) / b2) ** 2)

    def bennett5(x, b1, b2, b3):
        return b1 * (b2 + x) ** (-1 / b3)

    return {
        "Misra1a": saturation,
        "Misra1b": misra1b,
        "Misra1c": misra1c,
        "Misra1d": misra1d,
        "Chwirut1": chwirut,
        "Chwirut2": chwirut,
        "Lanczos1": lanczos,
        "Lanczos2": lanczos,
        "Lanczos3": lanczos,
        "Gauss1": gauss,
        "Gauss2": gauss,
        "Gauss3": gauss,
        "DanWood": danwood,
        "Kirby2": kirby2,
        "Hahn1": cubic_ratio,
        "Thurber": cubic_ratio,
        "Nelson": nelson,
        "MGH17": mgh17,
        "Roszman1": roszman1,
        "ENSO": enso,
        "MGH09": mgh09,
        "MGH10": mgh10,
        "BoxBOD": saturation,
        "Rat42": rat42,
        "Rat43": rat43,
        "Eckerle4": eckerle4,
        "Bennett5": bennett5,
    }
