import numpy as np

CONFIG = {"order": 3, "step": 2.5, "phase": [0.0, 0.5, 1.0]}


def model(x, a, b):
    total = 0
    for k in range(CONFIG["order"]):
        total = total + a * np.cos((k + 1) * b * x / CONFIG["step"] + CONFIG["phase"][k])
    return total / CONFIG["order"]
