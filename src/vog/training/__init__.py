"""What goes into a training loop of the user's."""
