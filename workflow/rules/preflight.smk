# What a study at the paper's scale needs that no rule makes: `snakemake preflight --config study=paper`.


rule preflight:
    # Looks again whenever it is asked for: its output is no input of any rule.
    output:
        temp(f"{RESULTS}/preflight.md"),
    log:
        f"{LOGS}/preflight.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        settings=STUDY.model_dump(mode="json"),
        clusterings=swav_clusterings(),
        fits=segmenter_fits(),
    script:
        "../../scripts/preflight.py"
