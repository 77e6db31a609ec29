"""Segments whole volumes with a trained network."""
