"""What samples reach of the data, and whether they repeat or copy it."""
