"""Models to fit: a catalogue with guesses, sums of its members, and formulas."""
