"""Many small fits of one model: `rows` reads the data, `lanes` fits them side by side, in NumPy
(`interpreted`) or in programs (`run`, which keeps the cores busy), as `fitting` decides. What lanes
cannot do is given to the single fit's engine."""
