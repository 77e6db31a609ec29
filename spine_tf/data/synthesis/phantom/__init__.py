"""Makes phantoms: synthetic CT scans of the spine, all of whose anatomy is drawn from a seed.

    scan = make_phantom(seed=7)
    scan.hu, scan.labels, scan.affine, scan.centroids

`make` draws a person (`anatomy`, `spine`, `trunk`), chooses what is scanned (`field_of_view`), paints the tissues and
merges the bones of that person on a grid, and renders them as CT (`physics`, `artefacts`).
"""

from spine_tf.data.synthesis.phantom.make import Phantom, make_phantom, write_phantom, write_phantoms

__all__ = ["Phantom", "make_phantom", "write_phantom", "write_phantoms"]
