"""Fit the 65 536 decays of a fluorescence-lifetime image; each call of fit_many fits them all.

Run ``python lifetime_image.py``: it prints what came of the fits and draws lifetime_image.png.

A pixel of the synthetic image counts photons in 64 time bins after the laser's pulses, amplitude *
exp(-t / tau) + background with Poisson noise. As the truth is known, the fits can be judged: the
errors of the lifetimes must be as large as their standard errors say.

The variance of a count is its expectation. The first fit takes the count itself in its place, which
trusts bins that happen to be low too much and puts the background a quarter too low. Two more take
the curve of the fit before, which leaves no bias to speak of.
"""

import sys
import time

import numpy as np
from matplotlib.figure import Figure

from nlsq import fit_many

T = (np.arange(64) + 0.5) * 25 / 64  # ns: middles of the bins between pulses at 40 MHz


def decay(t, amplitude, tau, background):
    return amplitude * np.exp(-t / tau) + background


def true_maps(side):
    """Amplitude (counts) and lifetime (ns), each (side, side): cells with nuclei in a medium."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0 : 4 : side * 1j, 0 : 4 : side * 1j]
    amplitude = 320 + 80 * np.cos(0.8 * (x - y))
    tau = 2.1 + 0.25 * np.sin(1.3 * x + 2) * np.cos(y)
    for row, column in np.ndindex(4, 4):
        right = x - column - rng.uniform(0.15, 0.45) - 0.4 * (row % 2)  # of the cell's middle
        down = y - row - rng.uniform(0.35, 0.65)
        angle = np.arctan2(down, right)
        outline = 1 + 0.16 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.06 * np.sin(3 * angle + row)
        r = np.hypot(right, down) / (rng.uniform(0.28, 0.4) * outline)  # 1 at the edge
        body, nucleus = (1 / (1 + np.exp(25 * (r - edge))) for edge in (1, 0.42))
        amplitude += body * (rng.uniform(350, 600) - 250 * nucleus)
        tau += body * (rng.uniform(2.7, 3.7) - 0.3 * r - tau)
        tau += nucleus * (rng.uniform(1.1, 1.5) - tau)
    return amplitude, tau


def fit_image(counts, rounds=3):
    """The fits of an image of photon counts (rows, columns, bins)."""
    bounds = [0, 0.05, 0], [1e5, 50, 1e4]
    start, variance = [500, 2, 5], np.maximum(counts, 1)
    for _ in range(rounds):
        sigma = np.sqrt(variance)
        fits = fit_many(decay, T, counts, start, sigma, absolute_sigma=True, bounds=bounds)
        start = fits.popt
        variance = np.maximum(decay(T, *np.moveaxis(fits.popt, -1, 0)[..., None]), 0.5)
    return fits


def draw(counts, tau, fits, scores, path):
    """Photons, true and fitted lifetimes; the brightest pixel's decay, and the errors of all."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    photons, true, fitted, pixel, error, histogram = figure.subplots(2, 3).flat
    scale = {"vmin": 1, "vmax": 3.75, "cmap": "turbo"}
    total = counts.sum(axis=-1)
    for axes, title, values, colours in (
        (photons, "photons", total, {"cmap": "gray"}),
        (true, "true lifetime, ns", tau, scale),
        (fitted, f"lifetime from {fits.size:,} fits, ns", fits["tau"], scale),
        (error, "(fitted − true) / standard error", scores, {"clim": (-4, 4), "cmap": "RdBu_r"}),
    ):
        figure.colorbar(axes.imshow(values, **colours), ax=axes, shrink=0.85)
        axes.set(title=title, xticks=[], yticks=[])
    brightest = np.unravel_index(total.argmax(), tau.shape)
    pixel.semilogy(T, counts[brightest], "o", ms=4, color="0.4", label="photons per bin")
    fit = fits[brightest]
    pixel.semilogy(T, decay(T, *fit.popt), label=f"τ = {fit.popt[1]:.2f} ± {fit.perr[1]:.2f} ns")
    pixel.set(title="decay in the brightest pixel", xlabel="time after the pulse, ns")
    pixel.legend()
    z = np.linspace(-4, 4, 161)
    histogram.hist(scores.ravel(), z[::4], density=True, color="0.75")
    histogram.plot(z, np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
    histogram.set(title="all pixels, and the normal distribution", xlabel=error.get_title())
    figure.savefig(path, dpi=130)


def main(side=256, path="lifetime_image.png"):
    amplitude, tau = true_maps(side)
    photons = decay(T, amplitude[..., None], tau[..., None], 5)
    counts = np.random.default_rng(0).poisson(photons)
    began = time.perf_counter()
    fits = fit_image(counts)
    seconds = time.perf_counter() - began
    scores = (fits["tau"] - tau) / fits.perr[..., 1]
    print(fits.summary())
    print(f"\n{fits.size} pixels fitted three times in {seconds:.1f} s, compilation included")
    print(f"median error of the lifetimes: {100 * np.median(np.abs(fits['tau'] / tau - 1)):.2f} %")
    print(f"within two standard errors of the truth: {100 * np.mean(np.abs(scores) <= 2):.1f} %")
    draw(counts, tau, fits, scores, path)
    return tau, fits


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
