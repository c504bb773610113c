"""The theory room: games and models on densities that are known."""
