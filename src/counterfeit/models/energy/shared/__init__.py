"""What energy-based models share: units in two layers, and chains that move between them."""
