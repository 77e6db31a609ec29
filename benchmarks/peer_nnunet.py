"""Network time of nnU-Net's way on this CPU: PlainConvUNet over half-overlapping windows. Cost alone: random weights.

    python benchmarks/peer_nnunet.py CT.nii.gz --spacing-mm 1.5 --windows 1

Needs PyTorch and dynamic-network-architectures, which are no requirements of this project: give it an environment of
its own (volume.py --peer-python). The plan is that of TotalSegmentator's vertebrae model (1.5 mm) and of its fast one
(3 mm): 6 stages, 32 to 320 features, patch 128, no mirroring. Prints one line of JSON.
"""

import argparse
import itertools
import json
import time

import nibabel as nib
import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nibabel.processing import resample_to_output

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


def starts(length: int) -> np.ndarray:
    """Where windows begin along an axis: half a patch apart at most, the last one at the end."""
    count = int(np.ceil((length - PATCH) / (PATCH / 2))) + 1
    return np.unique(np.linspace(0, length - PATCH, count).round().astype(int))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan")
    parser.add_argument("--spacing-mm", type=float, default=1.5)
    parser.add_argument("--windows", type=int, default=1, help="windows to time; all others are taken to last as long")
    flags = parser.parse_args()
    image = nib.as_closest_canonical(nib.load(flags.scan))
    volume = resample_to_output(image, [flags.spacing_mm] * 3, order=1).get_fdata(dtype=np.float32)
    volume = np.pad(volume, [(0, max(0, PATCH - n)) for n in volume.shape])
    places = list(itertools.product(*(starts(n) for n in volume.shape)))
    net, scan, seconds = network(), torch.from_numpy(volume)[None, None], []
    with torch.inference_mode():
        # One more: what is allocated and chosen in the first is not what a window costs.
        for x, y, z in (places * (flags.windows + 1))[: flags.windows + 1]:
            start = time.monotonic()
            net(scan[:, :, x : x + PATCH, y : y + PATCH, z : z + PATCH])
            seconds.append(time.monotonic() - start)
    print(json.dumps({"windows": len(places), "network_seconds": float(np.median(seconds[1:])) * len(places)}))


if __name__ == "__main__":
    main()
