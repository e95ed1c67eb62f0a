"""Many small fits of one model: `rows` reads the data, `lanes` fits them side by side, `run` keeps
the cores busy and gives to the single fit's engine what lanes cannot do."""
