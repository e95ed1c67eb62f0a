"""Caches the engine calls."""
