"""Clusterings by the name that a method asks for: module and class whose load() reads the file. Imports neither."""

CLUSTERINGS = {
    "swav": ("onemask.clustering.projection", "FeatureProjection"),
    "simclr": ("onemask.clustering.projection", "FeatureProjection"),
    "kmeans": ("onemask.clustering.kmeans", "KMeansResult"),
    "samples": ("onemask.clustering.samples", "Samples"),
}
