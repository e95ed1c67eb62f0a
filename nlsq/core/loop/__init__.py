"""The one loop of every fit: its state, its judgement, its programs."""
