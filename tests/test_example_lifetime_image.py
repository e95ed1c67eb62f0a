"""The lifetime image of the examples, smaller: the true map is recovered within its errors."""

import runpy
from pathlib import Path

import numpy as np

EXAMPLE = Path(__file__).parent.parent / "examples" / "lifetime_image.py"


def test_lifetimes_are_recovered(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLE))["main"]
    tau, fits = main(48, tmp_path / "map.png")
    assert fits.success.all()
    scores = (fits["tau"] - tau) / fits.perr[..., 1]
    assert abs(scores.mean()) < 0.1
    assert abs(scores.std() - 1) < 0.08
    assert np.median(np.abs(fits["tau"] / tau - 1)) < 0.03
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert "2304 pixels fitted twice" in capsys.readouterr().out
