# One job per (class, method): fitted on each exemplar alone, scored on the test split, one csv row per image and label.


rule one_shot:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=clustering_of,
    output:
        f"{RESULTS}/one_shot/{{cls}}/{{method}}.csv",
    log:
        f"{LOGS}/one_shot/{{cls}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/one_shot/{{cls}}/{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        study=STUDY.study,
        method=method_settings,
        heads=section("heads"),
        loader=clustering_loader,
        version=STUDY.version,
        seed=seed("{cls}", "{method}"),
        code=lambda w: code("one_shot.py", *method_modules(w)),
    script:
        "../../scripts/one_shot.py"
