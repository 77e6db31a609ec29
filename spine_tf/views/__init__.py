"""Cuts volumes into slices of three views, and puts predictions back on the volume's grid."""
