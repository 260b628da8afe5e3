"""Self-supervised clustering of a generator's hidden features: W+ augmentation, SwAV, k-means.

CLUSTERINGS: what a method may ask for by `clustering`, with module and class whose load() reads the file.
"""

CLUSTERINGS = {
    "swav": ("onemask.clustering.projection", "FeatureProjection"),
    "simclr": ("onemask.clustering.projection", "FeatureProjection"),
    "kmeans": ("onemask.clustering.kmeans", "KMeansResult"),
    "samples": ("onemask.clustering.samples", "Samples"),
}
