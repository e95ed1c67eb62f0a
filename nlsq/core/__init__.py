"""The fitting engine and its front doors."""
