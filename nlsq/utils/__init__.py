"""Small services without numerics: logging, a progress bar, errors about input."""
