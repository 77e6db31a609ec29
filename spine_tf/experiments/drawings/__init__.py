"""Draws the networks."""
