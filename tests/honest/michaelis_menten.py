def model(s, vmax, km):
    return vmax * s / (km + s)
