"""Models: the catalogue, the checkpoint format and the bundled weights."""
