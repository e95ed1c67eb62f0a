"""What touches the data: one pass over m points to a summary whose size is that of n parameters."""
