"""The five pages of the window, in the order of the work."""
