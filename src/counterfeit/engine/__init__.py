"""Training: the one step loop, checkpoints, events, processes."""
