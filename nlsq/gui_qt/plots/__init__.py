"""Plots of the live window, by pyqtgraph, in the colours of the theme."""
