"""Times nnU-Net's way on this CPU: PlainConvUNet over half-overlapping windows. Cost alone: random weights.

    python benchmarks/peer_nnunet.py CT.nii.gz --spacing-mm 1.5 3 --windows 2

Needs PyTorch and dynamic-network-architectures, which are no requirements of this project: give it an environment of
its own (volume.py --peer-python). The plan is that of TotalSegmentator's vertebrae model (1.5 mm) and of its fast one
(3 mm): 6 stages, 32 to 320 features, patch 128, no mirroring. A window costs the same whatever the voxel size, so that
some are timed and the others counted. Prints one line of JSON.
"""

import argparse
import json
import math
import time

import nibabel as nib
import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nibabel.spaces import vox2out_vox

PATCH = 128
FEATURES = [32, 64, 128, 256, 320, 320]
CLASSES = 27


def network() -> torch.nn.Module:
    return PlainConvUNet(
        1,
        len(FEATURES),
        FEATURES,
        torch.nn.Conv3d,
        3,
        [1, 2, 2, 2, 2, 2],
        2,
        CLASSES,
        2,
        conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    ).eval()


def windows(image: nib.Nifti1Image, spacing_mm: float) -> int:
    """Windows over a scan with voxels of `spacing_mm`: half a patch apart at most, at least one along each axis."""
    shape, _ = vox2out_vox(image, [spacing_mm] * 3)
    return math.prod(math.ceil(max(0, length - PATCH) / (PATCH / 2)) + 1 for length in shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan")
    parser.add_argument("--spacing-mm", type=float, nargs="+", default=[1.5])
    parser.add_argument("--windows", type=int, default=2, help="windows to time; all others are taken to last as long")
    flags = parser.parse_args()
    image = nib.as_closest_canonical(nib.load(flags.scan))
    net, patch, seconds = network(), torch.randn(1, 1, PATCH, PATCH, PATCH), []
    with torch.inference_mode():
        # One more: what is allocated and chosen in the first is not what a window costs.
        for _ in range(flags.windows + 1):
            start = time.monotonic()
            net(patch)
            seconds.append(time.monotonic() - start)
    counts, window = [windows(image, spacing) for spacing in flags.spacing_mm], float(np.median(seconds[1:]))
    found = zip(flags.spacing_mm, counts, strict=True)
    print(json.dumps({mm: {"windows": count, "network_seconds": window * count} for mm, count in found}))


if __name__ == "__main__":
    main()
