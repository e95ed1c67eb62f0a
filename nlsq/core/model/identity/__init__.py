"""What a model is known by: the content of its code, and of all of the user's own that it reads."""
