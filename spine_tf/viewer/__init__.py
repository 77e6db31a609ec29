"""Draws masks on their scan."""
