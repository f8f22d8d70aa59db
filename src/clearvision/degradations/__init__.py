"""Making pictures worse on purpose, by steps that are data: what networks are trained and measured against."""
