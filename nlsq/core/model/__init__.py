"""What is fitted: the user's function, how it is called, traced, carried to JAX and recognised."""
