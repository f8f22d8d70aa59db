"""Training: one visible loop; the objective is the only part that differs."""
