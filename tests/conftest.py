"""Settings of the suite: quiet, offline, nothing left behind."""

import os

# Read by matplotlib and JAX when they are first imported.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilations are counted, and another run's programs must not be found.
os.environ.setdefault("NLSQ_DISABLE_PERSISTENT_CACHE", "1")

import pytest


@pytest.fixture(scope="module")
def compiled():
    """All fits of a module run by programs, the first of a model too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "jax")
        yield
