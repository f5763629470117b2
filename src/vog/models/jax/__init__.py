"""Models of JAX: modules of Flax (linen and nnx) and Equinox, and functions of weights."""
