"""The front ends: they parse, call the library and show what came out."""
