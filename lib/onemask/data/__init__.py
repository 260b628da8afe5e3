"""Data sets on disk: annotated sets of generated samples, and real data sets."""
