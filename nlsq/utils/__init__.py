"""Small services without numerics: logging."""
