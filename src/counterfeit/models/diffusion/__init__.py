"""Diffusion and flow matching: nets that remove noise of every strength, and samplers that follow them to the data."""
