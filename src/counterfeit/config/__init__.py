"""Settings: what there is to set, from text to typed values and back."""
