"""Training of StyleGAN2-ADA and the scores of its images."""
