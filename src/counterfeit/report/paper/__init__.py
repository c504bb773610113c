"""Tables of the founding paper, published beside measured."""
