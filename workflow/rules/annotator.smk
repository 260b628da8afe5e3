# The demo's annotator, which stands in for the human one, and the annotated sets that it makes on generated samples.


rule train_annotator:
    input:
        labels=labels,
    output:
        f"{RESULTS}/annotators/{{cls}}.{{which}}.safetensors",
    log:
        f"{LOGS}/train_annotator/{{cls}}.{{which}}.log",
    benchmark:
        f"{BENCHMARKS}/train_annotator/{{cls}}.{{which}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        settings=section("annotator"),
        resolution=STUDY.resolution,
        seed=seed("{cls}", "annotator", "{which}"),
    script:
        "../../scripts/train_annotator.py"


def annotator_source(wildcards):
    return STUDY.classes[wildcards.cls].annotators[wildcards.which]


def trained_annotator(wildcards):
    return rules.train_annotator.output if annotator_source(wildcards).source == "train" else []


rule fetch_annotator:
    input:
        trained=trained_annotator,
    output:
        ANNOTATOR,
    log:
        f"{LOGS}/fetch_annotator/{{cls}}.{{which}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: annotator_source(w).model_dump(mode="json"),
    script:
        "../../scripts/fetch.py"


rule make_annotated_set:
    input:
        generator=GENERATOR,
        first=ANNOTATOR.replace("{which}", "first"),
        second=ANNOTATOR.replace("{which}", "second"),
    output:
        f"{RESULTS}/annotated/{{cls}}.npz",
    log:
        f"{LOGS}/make_annotated_set/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/make_annotated_set/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=section("annotated_set"),
        truncation=STUDY.truncation,
        seed=seed("{cls}", "annotated set"),
    script:
        "../../scripts/make_annotated_set.py"


def annotated_source(wildcards):
    return STUDY.classes[wildcards.cls].annotated


def made_annotated_set(wildcards):
    return rules.make_annotated_set.output if annotated_source(wildcards).source == "train" else []


rule fetch_annotated_set:
    input:
        trained=made_annotated_set,
    output:
        ANNOTATED,
    log:
        f"{LOGS}/fetch_annotated_set/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: annotated_source(w).model_dump(mode="json"),
    script:
        "../../scripts/fetch.py"


rule annotator_report:
    # What the annotators achieve on held-out renders and how far they agree, for the tables' captions.
    input:
        annotated=ANNOTATED,
        labels=labels,
    output:
        f"{RESULTS}/annotators/{{cls}}.json",
    log:
        f"{LOGS}/annotator_report/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code("annotator_report.py"),
    script:
        "../../scripts/annotator_report.py"
