"""Attention LinkNet-152 for spine segmentation in CT (Sci Rep 15:13102, 2025), in Keras 3 on TensorFlow."""

__version__ = "0.1.0"
