"""StyleGAN2: networks, checkpoints and W+ latents, and the protocol that other generators follow."""
