"""Small services: checks of what users give, errors about it, logging, a progress bar."""
