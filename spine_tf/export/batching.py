"""Says how TF Serving may join requests of the batched servable (`--batching_parameters_file`)."""

BATCHING_PARAMS = """\
# A BatchingParameters (tensorflow_serving/servables/tensorflow/session_bundle_config.proto). Sizes are triplets.
max_batch_size { value: 32 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 64 }
num_batch_threads { value: 2 }
# Requests are filled up to one of these: other sizes would each be planned anew.
allowed_batch_sizes: 8
allowed_batch_sizes: 16
allowed_batch_sizes: 32
"""
"""`batching_params.pbtxt`, beside the versions of a batched servable. A starting point; not measured on a server."""
