# Clusterings of hidden features, one job per (class, clustering). A clustering is a section of the configuration, two
# rules here (the study's own, and variants under other settings or seeds) and an entry of CLUSTERINGS (onemask.clustering.kinds),
# which says how segmenters load it.


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
        mem_mb=memory(2000),
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
        mem_mb=memory(2000),
    params:
        settings=section("kmeans"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "kmeans"),
        code=code("fit_kmeans.py"),
    script:
        "../../scripts/fit_kmeans.py"


rule train_simclr:
    input:
        generator=GENERATOR,
    output:
        clustering=f"{RESULTS}/clustering/{{cls}}/simclr.safetensors",
        training=f"{RESULTS}/clustering/{{cls}}/simclr.csv",
    log:
        f"{LOGS}/train_simclr/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/train_simclr/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=section("simclr"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "simclr"),
        code=code("train_simclr.py"),
    script:
        "../../scripts/train_simclr.py"


rule sample_features:
    # Not a clustering: the unlabelled samples that LAGM learns from.
    input:
        generator=GENERATOR,
    output:
        clustering=f"{RESULTS}/clustering/{{cls}}/samples.safetensors",
    log:
        f"{LOGS}/sample_features/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/sample_features/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        settings=section("samples"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "samples"),
        code=code("sample_features.py"),
    script:
        "../../scripts/sample_features.py"


use rule train_swav as vary_swav with:
    output:
        clustering=f"{RESULTS}/variants/{{cls}}/swav/{{digest}}.safetensors",
        training=f"{RESULTS}/variants/{{cls}}/swav/{{digest}}.csv",
    log:
        f"{LOGS}/vary_swav/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/vary_swav/{{cls}}/{{digest}}.tsv"
    params:
        settings=variant_settings("swav"),
        seed=variant_seed("swav"),


use rule train_simclr as vary_simclr with:
    output:
        clustering=f"{RESULTS}/variants/{{cls}}/simclr/{{digest}}.safetensors",
        training=f"{RESULTS}/variants/{{cls}}/simclr/{{digest}}.csv",
    log:
        f"{LOGS}/vary_simclr/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/vary_simclr/{{cls}}/{{digest}}.tsv"
    params:
        settings=variant_settings("simclr"),
        seed=variant_seed("simclr"),


use rule fit_kmeans as vary_kmeans with:
    output:
        clustering=f"{RESULTS}/variants/{{cls}}/kmeans/{{digest}}.safetensors",
    log:
        f"{LOGS}/vary_kmeans/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/vary_kmeans/{{cls}}/{{digest}}.tsv"
    params:
        settings=variant_settings("kmeans"),
        seed=variant_seed("kmeans"),


use rule sample_features as vary_samples with:
    output:
        clustering=f"{RESULTS}/variants/{{cls}}/samples/{{digest}}.safetensors",
    log:
        f"{LOGS}/vary_samples/{{cls}}/{{digest}}.log",
    benchmark:
        f"{BENCHMARKS}/vary_samples/{{cls}}/{{digest}}.tsv"
    params:
        settings=variant_settings("samples"),
        seed=variant_seed("samples"),
