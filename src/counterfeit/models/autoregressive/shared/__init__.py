"""What autoregressive models share: orders of values, chains of conditionals, and what is drawn from them."""
