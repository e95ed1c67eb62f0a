"""Models and paths from strangers: what is checked, limited and written down."""
