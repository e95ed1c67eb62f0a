"""The lifetime image of the examples, smaller: the true map is recovered within its errors."""

import runpy
from pathlib import Path

import numpy as np

EXAMPLE = Path(__file__).parent.parent / "examples" / "lifetime_image.py"


def test_lifetimes_are_recovered(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLE))["main"]
    tau, fits = main(48, tmp_path / "map.png")
    assert fits.shape == tau.shape == (48, 48)
    assert fits.success.all() and not fits.active_mask.any()
    assert np.median(np.abs(fits["tau"] / tau - 1)) < 0.02
    scores = (fits["tau"] - tau) / fits.perr[..., 1]
    assert abs(scores.mean()) < 0.08
    assert abs(scores.std() - 1) < 0.06
    background = (fits["background"] - 5) / fits.perr[..., 2]  # -3.3 with counts as variances
    assert abs(background.mean()) < 0.15
    assert abs(background.std() - 1) < 0.06
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "2304 pixels fitted three times" in capsys.readouterr().out
