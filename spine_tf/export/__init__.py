"""A trained network as files that run without this package, and the proof that they agree with it."""
