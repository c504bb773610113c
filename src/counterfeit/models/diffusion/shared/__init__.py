"""What diffusion models share: noise levels and schedules, nets, samplers, bounds and likelihoods."""
