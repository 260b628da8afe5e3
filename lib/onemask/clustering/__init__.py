"""Self-supervised clustering of a generator's hidden features: W+ augmentation, SwAV, k-means."""
