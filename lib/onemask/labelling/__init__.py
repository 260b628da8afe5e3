"""The labelling page: paint one generated image, see the others being segmented (`onemask label`)."""
