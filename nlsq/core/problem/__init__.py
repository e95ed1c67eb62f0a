"""What is asked for: parameters, observations and options, checked."""
