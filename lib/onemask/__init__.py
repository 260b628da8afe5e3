"""onemask: one annotated image in, a labelled synthetic data set out."""
