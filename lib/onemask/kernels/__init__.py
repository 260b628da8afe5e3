"""Pure functions on tensors: multi-scale projection, Sinkhorn-Knopp, swapped prediction, modulated convolution."""
