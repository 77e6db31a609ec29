"""Says what each kind of layer does to channels: a table from type to rule.

A rule takes the trace, the call and the features of its inputs, records what it knows in the trace (`channels.Trace`)
and returns the features of its outputs. A layer without a rule, or one that its rule does not understand, keeps all its
channels: none that goes into it or comes out of it can be removed.
"""

from collections.abc import Callable

from keras import layers

from spine_tf.models.attention import ChannelPool, GlobalMaximum
from spine_tf.models.attention_linknet import BatchToChannels, ViewsToBatch
from spine_tf.models.graph import Call
from spine_tf.models.layers import Excite, FusedBatchNormalization, NormalizedSwish
from spine_tf.pruning import rules_plain as plain
from spine_tf.pruning import rules_weights as weights
from spine_tf.pruning.channels import Features, NotUnderstood, Trace

Rule = Callable[[Trace, Call, list[Features]], list[Features]]


def _of_each_rank(*names: str) -> list[type]:
    """List Keras' layers of these names for 1-D, 2-D and 3-D maps."""
    return [getattr(layers, name.format(rank)) for name in names for rank in (1, 2, 3)]


RULES: dict[type, Rule] = {
    **dict.fromkeys(_of_each_rank("Conv{}D"), weights.convolution),
    **dict.fromkeys(_of_each_rank("Conv{}DTranspose"), weights.transposed),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), weights.depthwise),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), weights.separable),
    layers.Dense: weights.dense,
    **dict.fromkeys((layers.BatchNormalization, FusedBatchNormalization, NormalizedSwish), weights.normalization),
    layers.PReLU: weights.prelu,
    **dict.fromkeys((layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU), plain.activation),
    layers.InputLayer: plain.model_input,
    **dict.fromkeys((layers.Identity, layers.Dropout, layers.GaussianDropout, layers.Resizing), plain.same_channels),
    **dict.fromkeys(_of_each_rank("SpatialDropout{}D", "ZeroPadding{}D", "Cropping{}D"), plain.same_channels),
    **dict.fromkeys(_of_each_rank("MaxPooling{}D", "AveragePooling{}D", "UpSampling{}D"), plain.same_channels),
    **dict.fromkeys(_of_each_rank("GlobalMaxPooling{}D", "GlobalAveragePooling{}D"), plain.same_channels),
    GlobalMaximum: plain.same_channels,
    layers.Rescaling: plain.rescaling,
    layers.Normalization: plain.input_statistics,
    **dict.fromkeys((layers.Add, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum), plain.meet),
    **dict.fromkeys((layers.Multiply, Excite), plain.gate),
    layers.Concatenate: plain.concatenate,
    **dict.fromkeys((layers.Reshape, layers.Flatten), plain.reshape),
    layers.Permute: plain.permute,
    ViewsToBatch: plain.meet,
    BatchToChannels: plain.batch_to_channels,
    ChannelPool: plain.channel_pool,
}

HARMLESS = {"get_config", "from_config", "compute_output_shape", "_get_noise_shape"}
"""Methods that a subclass may override and still do to channels what its parent does."""


def rule_for(kind: type) -> Rule | None:
    """Find the rule of a layer's class, or of the class it is derived from where it only overrides what is harmless."""
    while kind is not None:
        if kind in RULES:
            return RULES[kind]
        overridden = {name for name, value in vars(kind).items() if callable(value) or isinstance(value, classmethod)}
        if {name for name in overridden if not name.startswith("__") or name == "__call__"} - HARMLESS:
            return None
        kind = kind.__base__
    return None


def follow(trace: Trace, call: Call, inputs: list[Features]) -> list[Features]:
    """Apply the rule of a call, or record that its layer keeps all its channels."""
    rule = rule_for(type(call.layer))
    try:
        if rule is None:
            raise NotUnderstood("a kind of layer that no rule describes")
        return rule(trace, call, inputs)
    except NotUnderstood as reason:
        trace.refuse(call.layer, str(reason))
        touched = f"touches {call.path!r} ({type(call.layer).__name__}), {reason}"
    for features in inputs:
        trace.pin(features.channels, touched)
    return trace.fixed(call.outputs, touched)
