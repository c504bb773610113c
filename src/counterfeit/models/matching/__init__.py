"""Models whose samples are compared with data directly, by their moments."""
