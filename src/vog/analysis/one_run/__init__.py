"""What one run says of its examples, scores and stages."""
