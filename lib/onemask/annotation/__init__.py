"""From a generator and one annotated image to a labelled data set, without a study (`onemask annotate`)."""
