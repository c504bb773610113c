"""What can be evaluated, and metrics asked in turn."""
