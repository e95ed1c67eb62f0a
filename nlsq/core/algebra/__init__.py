"""Linear algebra of n parameters, which never sees the data."""
