# One job per (class, method): fitted on each exemplar alone, scored on the test split, one csv row per image and label.


def clustering_of(wildcards):
    name = STUDY.methods[wildcards.method].clustering
    return rules.train_clustering.output.clustering.format(cls=wildcards.cls, clustering=name) if name else []


def method_module(wildcards):
    return f"onemask.segmenters.{STUDY.methods[wildcards.method].module}"


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
        method=lambda w: STUDY.methods[w.method].model_dump(mode="json", exclude={"title", "published"}),
        heads=section("heads"),
        version=STUDY.version,
        seed=seed("{cls}", "{method}"),
        code=lambda w: code("one_shot.py", method_module(w)),
    script:
        "../../scripts/one_shot.py"
