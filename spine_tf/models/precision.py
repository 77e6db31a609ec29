"""Rebuilds a network of mixed precision in float32, for what computes in nothing else."""

import keras


def in_float32(model: keras.Model) -> keras.Model:
    """Rebuild a network so that all its layers compute in float32, as its variables are.

    LiteRT's converter has no operations in float16 or bfloat16.

    Args:
        model: functional or sequential, built.

    Returns:
        A network with the same weights, not compiled; the model itself where it computes in float32 already.

    Raises:
        ValueError: a variable is not float32.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, dtype="mixed_float16")])
        >>> in_float32(model).layers[0].compute_dtype
        'float32'
    """
    if all(layer.compute_dtype == "float32" for layer in model._flatten_layers(include_self=False)):
        return model
    other = sorted({weight.dtype for weight in model.trainable_weights} - {"float32"})
    if other:
        raise ValueError(f"model must have float32 variables. Received: {model.name!r} with {other}")
    made = type(model).from_config(_with_float32(model.get_config()))
    made.set_weights(model.get_weights())
    return made


def _with_float32(value):
    """Copy a config with every dtype policy in it replaced by float32."""
    if isinstance(value, list | tuple):
        return type(value)(_with_float32(one) for one in value)
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value | {"config": {"name": "float32"}}
    return {name: _with_float32(one) for name, one in value.items()}
