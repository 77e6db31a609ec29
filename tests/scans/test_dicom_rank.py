"""Kernels and series whose order a reader knows."""

from types import SimpleNamespace

import numpy as np
import pytest

from spine_tf.scans.dicom_rank import is_sharp, prefer, why

AXIAL, CORONAL = np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([[1.0, 0, 0], [0, 0, -1]])


@pytest.mark.parametrize(
    "kernel", ["B30f", "Br38f\\3", "I41s\\2", "H30s", "STANDARD", "SOFT", "FC08", "FC13-H", "B", "A", "", "YA"]
)
def test_soft_kernels(kernel):
    assert not is_sharp(kernel)


@pytest.mark.parametrize(
    "kernel", ["B60s", "B70f", "Br59d\\3", "Bl64", "BONE", "BONEPLUS", "Lung", "FC30", "FC52", "D"]
)
def test_sharp_kernels(kernel):
    assert is_sharp(kernel)


def series(count, directions=AXIAL, image_type="ORIGINAL\\PRIMARY\\AXIAL", kernel="B30f", step=2.0):
    """Slices with what a rank asks for, of 100 x 100 pixels of 1 mm."""
    normal = np.cross(*directions)
    slices = []
    for k in range(count):
        slices.append(
            SimpleNamespace(
                directions=directions,
                position_mm=step * k * normal,
                size=(100, 100),
                spacing_mm=np.ones(2),
                image_type=image_type,
                kernel=kernel,
            )
        )
    return slices


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (series(40), series(90, CORONAL, "DERIVED\\SECONDARY\\REFORMATTED"), "axial"),
        (series(40), series(90, image_type="DERIVED\\PRIMARY\\AXIAL", step=1.0), "original"),
        (series(40), series(90, kernel="B70f", step=1.0), "with a softer kernel"),
        (series(90), series(80), "with more slices"),
        (series(90, CORONAL, "DERIVED\\SECONDARY\\MPR"), series(20, step=1.0), "longer"),
        (series(9, image_type="DERIVED"), series(7, step=20.0), "with at least 8 slices"),
    ],
)
def test_the_better_series_comes_first_and_says_why(first, second, reason):
    for groups in ([first, second], [second, first]):
        ranked = prefer(groups)
        assert ranked[0] is first
        assert why(first, ranked[1:]) == reason


def test_equals_are_said_to_be_equal():
    assert why(series(9), [series(9)]) == "the first of equals"
