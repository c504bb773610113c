"""Run folders, and training into them."""
