"""Measurements beside other libraries; never part of the tests. See README.md here.

A machine may steer the linear algebra of NumPy and SciPy by environment variables; every peer is
measured with the library's own choice, so they are dropped before NumPy loads.
"""

import os

for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)
