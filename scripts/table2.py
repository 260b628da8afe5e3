"""Table 2 out of result files alone, without torch."""

from pathlib import Path

from onemask.files import read_json, write_json
from onemask.jobs import job
from onemask.paper.table2 import Style, as_metrics, make_table2


def quality(report):
    """What the caption says of a class's annotators, in shares of one; rates of rare labels at psi 1, like renders'.

    Nothing where real images' own annotations are used.
    """
    if "annotators" not in report:
        return {}
    figures = {
        "mIoU on held-out renders": report["annotators"][0]["clean"]["miou"],
        "mIoU with a second annotator on the test images": report["agreement"]["miou"],
    }
    generated, rendered = report["rates"]["generated_psi_1"], report["rates"]["renders"]
    for label in (name for name in generated if name.startswith("rare/")):
        figures[f"generated images (psi 1) with {label.removeprefix('rare/')}"] = generated[label]
        figures[f"renders with {label.removeprefix('rare/')}"] = rendered[label]
    return figures


with job(snakemake):
    params = snakemake.params
    qualities = [(Path(path).stem, quality(read_json(path))) for path in snakemake.input.annotators]
    table = make_table2(
        snakemake.input.rows,
        params.methods,
        params.classes,
        snakemake.input.published,
        {name: figures for name, figures in qualities if figures},
        snakemake.output.csv,
        snakemake.output.tex,
        Style(**params.style),
        snakemake.input.failures,
    )
    write_json(snakemake.output.metrics, as_metrics(table))
