from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


onstart:
    # Snakemake 9.27's limit of jobs per second wakes the scheduler once a second for every job that has finished: a third
    # of a core after 130 jobs. Jobs here are too long to need a limit.
    workflow.scheduler.job_rate_limiter = None


include: "workflow/rules/common.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/generators.smk"
include: "workflow/rules/baggan.smk"
include: "workflow/rules/annotator.smk"
include: "workflow/rules/clustering.smk"
include: "workflow/rules/one_shot.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/renders.smk"
include: "workflow/rules/speed.smk"
include: "workflow/rules/clusters.smk"
include: "workflow/rules/curves.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/case_study.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/downstream.smk"
include: "workflow/rules/gallery.smk"
include: "workflow/rules/real_faces.smk"


localrules:  # not for a cluster's nodes, which may have no internet
    all,
    fetch_checkpoint,
    fetch_generator,
    fetch_annotated_set,
    fetch_annotator,
    publish,
    preflight,


rule all:
    default_target: True
    input:
        "results/table2.tex",
        "results/table2.csv",
