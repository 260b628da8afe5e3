"""SwAV's training curves of all classes, drawn from their logs alone."""

import pandas as pd

from onemask.jobs import job
from onemask.paper.curves import SWAV_PANELS, draw_curves, save_figure

with job(snakemake):
    logs = dict(zip(snakemake.params.classes, map(pd.read_csv, snakemake.input), strict=True))
    figure = draw_curves(logs, SWAV_PANELS, f"study {snakemake.params.study}: HFC + SwAV, training")
    for path in snakemake.output:
        save_figure(path, figure)
