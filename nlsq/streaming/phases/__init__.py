"""The phases of a streamed fit: normalise, warm up on a sample, pass over all data, finish."""
