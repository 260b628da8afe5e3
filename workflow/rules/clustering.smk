# Clusterings of hidden features, one job per (class, clustering). A clustering is a section of the configuration, a rule
# here and an entry of CLUSTERINGS (common.smk), which says how segmenters load it.


rule train_swav:
    input:
        generator=GENERATOR,
    output:
        clustering=f"{RESULTS}/clustering/{{cls}}/swav.safetensors",
        training=f"{RESULTS}/clustering/{{cls}}/swav.csv",
    log:
        f"{LOGS}/train_swav/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/train_swav/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=section("swav"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "swav"),
        code=code("train_swav.py"),
    script:
        "../../scripts/train_swav.py"


rule fit_kmeans:
    input:
        generator=GENERATOR,
    output:
        clustering=f"{RESULTS}/clustering/{{cls}}/kmeans.safetensors",
    log:
        f"{LOGS}/fit_kmeans/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/fit_kmeans/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=section("kmeans"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "kmeans"),
        code=code("fit_kmeans.py"),
    script:
        "../../scripts/fit_kmeans.py"
