"""What models are asked to do besides sampling: how well they do it."""
