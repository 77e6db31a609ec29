"""Small scans made by hand, and a network as after training."""

from pathlib import Path

import nibabel as nib
import numpy as np

from spine_tf.data.cases import Case


def shaken(model, rng):
    """The model with its normalisation as after training: shifts are not 0, scales not 1."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                low, high = (0.8, 1.2) if weight.name in ("gamma", "moving_variance") else (-0.2, 0.2)
                weight.assign(rng.uniform(low, high, weight.shape))
    return model


def bright_block_hu(shape=(32, 28, 20)) -> np.ndarray:
    """Body of 40 HU with noise, and a bright block off its centre, so that no flip maps it onto itself."""
    hu = np.random.default_rng(0).normal(40, 120, shape)
    hu[4:18, 9:24, 3:13] = 1000
    return hu.astype(np.int16)


def bright_block_case(folder: Path, name: str) -> Case:
    """A case on disk whose spine is the bright block."""
    hu = bright_block_hu()
    image, mask = folder / f"{name}_ct.nii.gz", folder / f"{name}_seg-vert_msk.nii.gz"
    nib.save(nib.Nifti1Image(hu, np.eye(4)), image)
    nib.save(nib.Nifti1Image((hu == 1000).astype(np.uint8) * 20, np.eye(4)), mask)
    return Case(name, name, image, mask, None, "made by a test")
