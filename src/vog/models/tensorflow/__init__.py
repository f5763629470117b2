"""Models of TensorFlow, without Keras: functions of TensorFlow 1, and SavedModels."""
