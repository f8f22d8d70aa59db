"""Training objectives that compare tensors."""
