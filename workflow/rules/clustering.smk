# Clusterings of hidden features: one rule, one job per (class, clustering). `clustering` is a section of the configuration
# and a module of onemask.clustering.


rule train_clustering:
    input:
        generator=GENERATOR,
    output:
        clustering=f"{RESULTS}/clustering/{{cls}}/{{clustering}}.safetensors",
        training=f"{RESULTS}/clustering/{{cls}}/{{clustering}}.csv",
    log:
        f"{LOGS}/train_clustering/{{cls}}/{{clustering}}.log",
    benchmark:
        f"{BENCHMARKS}/train_clustering/{{cls}}/{{clustering}}.tsv"
    wildcard_constraints:
        clustering="swav|kmeans",
    threads: 1
    resources:
        mem_mb=3000,
    params:
        settings=lambda w: STUDY.job_settings(w.cls, w.clustering),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "{clustering}"),
        code=lambda w: code("train_clustering.py", f"onemask.clustering.{w.clustering}"),
    script:
        "../../scripts/train_clustering.py"
