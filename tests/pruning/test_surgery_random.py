"""Surgery on random small networks: any groups may go, and the outputs stay those of the zeroed network."""

import keras
import numpy as np
from keras import layers

from spine_tf.models.attention import ATTENTION
from spine_tf.models.layers import FusedBatchNormalization
from spine_tf.pruning.groups import find_groups
from spine_tf.pruning.surgery import remove_filters
from spine_tf.pruning.weight_masks import zero_groups, zeroed_groups

SIDE = 4
ACTIVATIONS = (None, None, "relu", "relu6", "swish", "swish", "tanh", "sigmoid", "softplus", "leaky_relu")


def random_network(rng: np.random.Generator) -> keras.Model:
    """Layers upon maps of 4x4 pixels and 2 to 5 channels, each on a random map made before; weights are random too."""
    image = keras.Input((SIDE, SIDE, 3))
    maps = [layers.Conv2D(4, 1)(image)]

    def pick():
        return maps[rng.integers(len(maps))]

    def activation():
        return ACTIVATIONS[rng.integers(len(ACTIVATIONS))]

    def conv(x, filters=None, activation=None):
        filters = filters or int(rng.integers(2, 6))
        return layers.Conv2D(filters, int(rng.choice([1, 3])), padding="same", activation=activation)(x)

    def normalised(x):
        scale, center = rng.random(2) < 0.7
        kind = FusedBatchNormalization if rng.random() < 0.5 else layers.BatchNormalization
        return layers.Activation(activation())(kind(scale=bool(scale), center=bool(center))(conv(x)))

    def merged(kind):
        x, y = pick(), pick()
        return kind()([x, y if x.shape == y.shape else conv(y, x.shape[-1], activation())])

    def squeezed(x):
        if rng.random() < 0.5:
            gate = layers.Reshape((1, 1, x.shape[-1]))(layers.GlobalAveragePooling2D()(x))
        else:
            gate = layers.GlobalMaxPooling2D(keepdims=True)(x)
        gate = layers.Conv2D(3, 1, activation="relu")(gate)
        return layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(gate)])

    def up_and_down(x):
        filters = int(rng.integers(2, 6))
        x = layers.Conv2DTranspose(filters, 2, strides=2, activation=activation())(x)
        return layers.AveragePooling2D(2)(x) if rng.random() < 0.5 else conv(layers.MaxPooling2D()(x))

    def resized(x):
        return layers.MaxPooling2D()(layers.UpSampling2D(interpolation="bilinear")(x))

    def shared(x):
        layer = layers.Conv2D(x.shape[-1], 1, activation=activation())
        return layer(layer(x))

    def nested(x):
        inner = keras.Input(x.shape[1:])
        return keras.Model(inner, layers.Add()([inner, conv(inner, x.shape[-1])]))(x)

    steps = (
        lambda: conv(pick(), activation=activation()),
        lambda: normalised(pick()),
        lambda: layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=int(rng.integers(1, 3)), activation=activation()
        )(pick()),
        lambda: layers.SeparableConv2D(4, 3, padding="same", depth_multiplier=2)(pick()),
        lambda: merged(layers.Add),
        lambda: merged(layers.Multiply),
        lambda: merged(layers.Maximum),
        lambda: layers.Concatenate()([pick(), pick()]),
        lambda: squeezed(pick()),
        lambda: up_and_down(pick()),
        lambda: resized(pick()),
        lambda: shared(pick()),
        lambda: nested(pick()),
        lambda: layers.Dropout(0.5)(layers.PReLU(shared_axes=[1, 2])(pick())),
        lambda: ATTENTION["cbam"](pick(), f"cbam{len(maps)}"),
    )
    for _ in range(9):
        maps.append(steps[rng.integers(len(steps))]())
    joined = layers.Concatenate()([*maps[-3:], pick()])
    if rng.random() < 0.5:
        out = layers.Dense(2, activation="softmax")(layers.Dense(5, activation="relu")(layers.Flatten()(joined)))
    else:
        out = layers.Conv2D(2, 1, activation="sigmoid")(joined)
    model = keras.Model(image, out)
    for weight in model.weights:
        low, high = (0.5, 1.5) if weight.name in ("gamma", "moving_variance") else (-1, 1)
        weight.assign(rng.uniform(low, high, weight.shape))
    return model


def test_a_smaller_network_answers_as_the_zeroed_one():
    prunable = mattered = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        model = random_network(rng)
        structure = find_groups(model)
        removed = np.flatnonzero(rng.random(len(structure.groups)) < rng.choice([0.3, 0.6, 0.9])).tolist()
        image = rng.normal(0, 1, (3, SIDE, SIDE, 3)).astype("float32")
        whole = np.asarray(model(image))

        smaller = remove_filters(model, [structure.groups[number] for number in removed])
        np.testing.assert_array_equal(np.asarray(model(image)), whole, err_msg=f"the model given changed, {seed=}")
        zero_groups(structure, removed)
        zeroed = np.asarray(model(image))
        np.testing.assert_allclose(np.asarray(smaller(image)), zeroed, atol=1e-5, err_msg=f"{seed=}")
        assert zeroed_groups(structure) == removed, f"the zeros do not tell what was removed, {seed=}"
        again = remove_filters(model)
        assert [weight.shape for weight in again.weights] == [weight.shape for weight in smaller.weights]
        if removed:
            assert smaller.count_params() < model.count_params()
        prunable += structure.prunable / sum(count.filters for count in structure.counts())
        mattered += np.abs(zeroed - whole).max() > 1e-4
    assert prunable / 30 > 0.5  # a rule that leaves everything whole would pass otherwise
    assert mattered >= 25
