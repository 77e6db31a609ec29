"""Defines what a SavedModel answers to: triplets, a whole scan, and what it is; with guards inside the graph.

A guard is a sentence: what is wrong with a request is said before any kernel sees it, because some kernels end the
whole process over an input of a rank they do not know. Inputs are therefore declared without a shape.
"""

import json
from collections.abc import Callable

import keras
import tensorflow as tf

from spine_tf.config import PREDICTION_BATCH, VIEWS, PreprocessSpec
from spine_tf.export.graph_backend import GraphBackend
from spine_tf.inference.volume import VolumeNetwork
from spine_tf.models.layers import only_served
from spine_tf.scans.checks import SPACING_RANGE_MM
from spine_tf.views.tiles import tile_axes, tile_count

MOST_VOXELS = 1024**3
"""Of a volume in one request: twice the largest clinical CT we have met, and some 20 GiB at work."""

MOST_SIDE = 8192
"""Voxels along an axis. The matrices that resize an axis have its length as a side."""

MOST_MM = (1000, 1000, 2500)
"""What a volume may measure along x, y and z: a scanner's bore, and a person from head to foot."""

MOST_TILES = 512
"""Tiles of one volume, at most image_size triplets each, so that no request keeps a shared server for hours. A whole
body of 700 x 700 x 2000 mm takes 350 tiles of 192 mm."""


def needs_spacing(spec: PreprocessSpec) -> bool:
    """Tell whether the pre-processing depends on the voxel size, so that a volume cannot be segmented without it.

    Example:
        >>> needs_spacing(PreprocessSpec(pixel_mm=1.5))
        True
    """
    return spec.pixel_mm is not None or spec.smoothing_mm > 0 or spec.coarse_to_fine


def make_signatures(
    model: keras.Model, spec: PreprocessSpec, metadata: dict, batch_size: int = PREDICTION_BATCH
) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
    """Make the functions of a servable with their inputs, by signature name; to be traced without AutoGraph.

    Args:
        model: three inputs `axial`, `coronal`, `sagittal`, (batch, H, W, 3), one output.
        spec: its pre-processing.
        metadata: what `describe` answers, as JSON.
        batch_size: triplets the network gets at once inside a volume.

    Returns:
        `serving_default` and `describe` (ask: any int32); and, where the spec is canonical (a server does not know
        how a scan was stored), `segment_volume` (hu) or, where the voxel size matters, `segment_volume_mm` (hu,
        spacing_mm). hu: (x, y, z) int16, RAS+.

    Example:
        >>> views = {view: keras.Input((32, 32, 3), name=view) for view in VIEWS}
        >>> model = keras.Model(views, keras.layers.Average()(list(views.values())))
        >>> sorted(make_signatures(model, PreprocessSpec(image_size=32, pixel_mm=1.5), {}))
        ['describe', 'segment_volume_mm', 'serving_default']
    """

    size = spec.image_size
    slices = [tf.TensorSpec((None, size, size, 3), tf.float32, view) for view in VIEWS]

    # A function of its own, so that the passes over a volume share one copy of the network's graph.
    @tf.function(input_signature=slices, autograph=False, jit_compile=False)
    def network(*views):
        with only_served():
            return model(dict(zip(VIEWS, views, strict=True)), training=False)

    signatures = {"serving_default": _triplets(network, size), "describe": _describe(metadata)}
    if spec.canonical and needs_spacing(spec):
        signatures["segment_volume_mm"] = _volume_mm(network, spec, batch_size)
    elif spec.canonical:
        signatures["segment_volume"] = _volume(network, spec, batch_size)
    return signatures


def _triplets(network: Callable, size: int):
    def serving_default(axial, coronal, sagittal):
        views = {"axial": axial, "coronal": coronal, "sagittal": sagittal}
        checked = []
        for name, view in views.items():
            # Filled up to a rank of 4 and cut there, so that comparing sizes never fails itself.
            sizes = tf.concat([tf.shape(view), tf.zeros(4, tf.int32)], axis=0)[1:4]
            fits = tf.equal(tf.rank(view), 4) & tf.reduce_all(tf.equal(sizes, [size, size, 3]))
            view = _guard(view, fits, f"{name} must have the shape (batch, {size}, {size}, 3)")
            view = _guard(view, tf.shape(view)[0] > 0, f"{name} must hold at least one slice")
            view = _guard(view, tf.reduce_all(tf.math.is_finite(view)), f"{name} must be finite")
            view.set_shape((None, size, size, 3))
            checked.append(view)
        first = tf.shape(checked[0])[0]
        same = tf.reduce_all([tf.equal(tf.shape(view)[0], first) for view in checked])
        checked = [_guard(view, same, "axial, coronal and sagittal must hold equally many slices") for view in checked]
        return {"mask": network(*checked)}

    return serving_default, _of_any_shape(**dict.fromkeys(VIEWS, tf.float32))


def _volume(network: Callable, spec: PreprocessSpec, batch_size: int):
    def segment_volume(hu):
        return _segment(network, spec, batch_size, _checked_hu(hu), (1.0, 1.0, 1.0))

    return segment_volume, _of_any_shape(hu=tf.int16)


def _volume_mm(network: Callable, spec: PreprocessSpec, batch_size: int):
    low, high = SPACING_RANGE_MM

    def segment_volume_mm(hu, spacing_mm):
        three = tf.equal(tf.rank(spacing_mm), 1) & tf.equal(tf.size(spacing_mm), 3)
        spacing_mm = _guard(spacing_mm, three, "spacing_mm must have the shape (3,)")
        inside = tf.reduce_all((spacing_mm >= low) & (spacing_mm <= high))
        spacing_mm = _guard(spacing_mm, inside, f"spacing_mm must lie in [{low:g}, {high:g}] mm")
        spacing_mm.set_shape((3,))
        sides_mm = tuple(tf.unstack(tf.cast(spacing_mm, tf.float64)))
        return _segment(network, spec, batch_size, _of_bounded_work(_checked_hu(hu), sides_mm, spec), sides_mm)

    return segment_volume_mm, _of_any_shape(hu=tf.int16, spacing_mm=tf.float32)


def _segment(network: Callable, spec: PreprocessSpec, batch_size: int, hu, spacing_mm) -> dict:
    probability = VolumeNetwork(network, spec, spacing_mm, batch_size).at_scan(hu, GraphBackend())
    return {
        "probability": tf.cast(tf.round(255 * tf.clip_by_value(probability, 0.0, 1.0)), tf.uint8),
        "mask": tf.cast(probability >= spec.threshold, tf.uint8),
    }


def _checked_hu(hu):
    hu = _guard(hu, tf.equal(tf.rank(hu), 3), "hu must have the shape (x, y, z)")
    voxels = tf.reduce_prod(tf.cast(tf.shape(hu), tf.int64))
    hu = _guard(hu, (voxels > 0) & (voxels <= MOST_VOXELS), f"hu must hold between 1 and {MOST_VOXELS} voxels")
    hu = _guard(hu, tf.reduce_max(tf.shape(hu)) <= MOST_SIDE, f"hu must have at most {MOST_SIDE} voxels along an axis")
    # Not tf.ensure_shape: the graph optimiser moves it before the guards.
    hu.set_shape((None, None, None))
    return hu


def _of_bounded_work(hu, sides_mm: tuple, spec: PreprocessSpec):
    """Guard a volume (x, y, z) whose size in mm would need more time than a shared server has."""
    extent_mm = tf.cast(tf.shape(hu), tf.float64) * tf.stack(sides_mm)
    most = " x ".join(map(str, MOST_MM))
    hu = _guard(hu, tf.reduce_all(extent_mm <= MOST_MM), f"hu must measure at most {most} mm at its voxel size")
    if spec.pixel_mm is None:
        return hu
    span_mm, backend = spec.pixel_mm * spec.image_size, GraphBackend()
    tiles = tile_count(tile_axes(tf.unstack(tf.shape(hu)), sides_mm, span_mm, backend), backend)
    few = f"hu must need at most {MOST_TILES} tiles of {span_mm:g} mm at its voxel size"
    hu = _guard(hu, tiles <= MOST_TILES, few)
    hu.set_shape((None, None, None))
    return hu


def _describe(metadata: dict):
    text = json.dumps(metadata)

    def describe(ask):
        return {"metadata": tf.constant(text)}

    # TF Serving's REST refuses a signature without inputs (tensorflow/serving#1676): any value will do.
    return describe, _of_any_shape(ask=tf.int32)


def _of_any_shape(**dtypes) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(None, dtype, name) for name, dtype in dtypes.items()]


def _guard(tensor, holds, sentence: str):
    """Pass a tensor on once a sentence is known to hold; else InvalidArgument with it."""
    # The bare operation: tf.debugging.Assert hides it in a branch that what follows need not wait for.
    message = [tf.constant(f"{sentence}. Received the shape:"), tf.shape(tensor)]
    assertion = tf.raw_ops.Assert(condition=holds, data=message, summarize=8)
    with tf.control_dependencies([assertion]):
        return tf.identity(tensor)
