"""The command-line program ``nlsq``."""
