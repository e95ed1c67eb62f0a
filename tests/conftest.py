"""Settings of the suite: quiet, offline, nothing left behind."""

import os

# Read by matplotlib and JAX when they are first imported.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
