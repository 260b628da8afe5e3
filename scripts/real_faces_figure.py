"""The annotated face and the unseen ones, drawn from their pictures alone."""

from onemask.jobs import job
from onemask.labels import read_labels
from onemask.paper.gallery import draw_gallery, load_pictures, save_gallery

with job(snakemake):
    exemplar, *unseen = load_pictures(snakemake.input.pictures)
    save_gallery(
        snakemake.output[0],
        draw_gallery(exemplar, unseen, read_labels(snakemake.input.labels), **snakemake.params.style),
    )
