"""Upscaling: plans, engines and the path from one picture to its enlargement."""
