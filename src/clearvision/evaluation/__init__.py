"""Measuring models on test sets: protocols, sets, the run, statistics and reports."""
