"""What is missing before the study can start, with what to do about it, and an estimate of its GPU hours."""

from pathlib import Path

from onemask.files import write_text
from onemask.jobs import job
from onemask.preflight import needs, stages, table
from onemask.sections import Study, SwAVSettings

with job(snakemake):
    params = snakemake.params
    study = Study.model_validate(params.settings)
    clusterings = [(name, SwAVSettings.model_validate(settings)) for name, settings in params.clusterings]
    report = table(study, needs(study, Path()), stages(study, clusterings, params.fits))
    write_text(snakemake.output[0], report)
    print(report)
