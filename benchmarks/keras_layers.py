"""Builds the network of Keras' own layers: what ours are held against."""


def use_keras_layers() -> None:
    """From now on networks are built of `keras.layers` where the package has fused layers of its own."""
    import keras

    from spine_tf.models import encoders, linknet

    norm = keras.layers.BatchNormalization
    encoders.FusedBatchNormalization = linknet.FusedBatchNormalization = norm
    encoders.NormalizedSwish = lambda name: lambda x: keras.layers.Activation("swish")(norm(name=name)(x))
    encoders.Excite = keras.layers.Multiply
