"""Warm calls of small fits beside SciPy's, five models, 100 to 10 000 points: `make bench`."""

import sys

from benchmarks import fits


def main() -> None:
    """The part of `benchmarks.fits` that takes a minute."""
    sizes = ["--sizes", "100", "1000", "10000", "--variants", "free", "--peers", "nlsq", "scipy"]
    models = ["--models", "decay", "gaussian", "double", "sine", "lorentzians"]
    fits.main([*sizes, *models, "--seconds", "1", "--no-work", "--no-targets", *sys.argv[1:]])


if __name__ == "__main__":
    main()
