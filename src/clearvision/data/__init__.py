"""Pictures for training: what there is, how it is split, and patches of it."""
