"""Models of Keras 3 on any of its backends, and of the Keras that TensorFlow had before."""
