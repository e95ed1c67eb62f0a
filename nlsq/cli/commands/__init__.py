"""The commands, one module each; every module has the function that Click calls."""
