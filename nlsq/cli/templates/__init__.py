"""Files that ``nlsq config`` writes."""
