"""Sources of data, and what they are found, read and shown with."""
