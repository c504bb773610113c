"""Adversarial models: implicit, they sample but have no density."""
