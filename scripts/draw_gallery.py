"""The annotated image and unseen ones with their predictions, drawn from a file of pictures alone."""

from onemask.jobs import job
from onemask.labels import read_labels
from onemask.paper.gallery import draw_gallery, load_pictures, save_gallery

with job(snakemake):
    exemplar, *unseen = load_pictures(snakemake.input.pictures)
    labels, style = read_labels(snakemake.input.labels), snakemake.params.style
    gallery = draw_gallery(exemplar, unseen, labels, source=snakemake.params.source, **style)
    save_gallery(snakemake.output[0], gallery, labels, style["opacity"])
