"""Synthetic CT spines, from a seed: `make` is the face; anatomy and its shapes, and the physics of CT, lie behind it.

anatomy        who: spine, skeleton, trunk, muscles, organs, each made of shapes and painted onto a grid
physics        what the scanner makes of it: HU of tissues, texture, kernel, noise, streaks
field_of_view  what the scanner covers: field of view and spacing
"""

from spine_tf.data.synthesis.phantom.make import Phantom, make_phantom, write_phantom, write_phantoms

__all__ = ["Phantom", "make_phantom", "write_phantom", "write_phantoms"]
