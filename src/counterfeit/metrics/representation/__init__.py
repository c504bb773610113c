"""What codes and outputs of a model know of the data."""
