"""What is done where numbers fail."""
