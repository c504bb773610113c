"""What adversarial models share: players in turn, of samples, and of what has a target."""
