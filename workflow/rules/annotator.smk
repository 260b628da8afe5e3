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
        mem_mb=memory(3000),
    params:
        settings=section("annotator"),
        world=world_options,
        resolution=lambda w: class_of(w).resolution,
        seed=seed("{cls}", "annotator", "{which}"),
    script:
        "../../scripts/train_annotator.py"


rule fetch_annotator:
    input:
        trained=if_trained(annotator_source, rules.train_annotator.output[0]),
    output:
        ANNOTATOR,
    log:
        f"{LOGS}/fetch_annotator/{{cls}}.{{which}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: fetched(annotator_source(w)),
        code=code("fetch.py"),
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
        mem_mb=memory(2000),
    params:
        settings=section("annotated_set"),
        truncation=STUDY.truncation,
        seed=seed("{cls}", "annotated set"),
    script:
        "../../scripts/make_annotated_set.py"


rule make_real_set:
    # The images are known by the folder that the user unpacked, not by their times: they are no input.
    input:
        generator=GENERATOR,
        labels=labels,
        mapping=mapping,
        vgg16=lambda w: class_of(w).real.vgg16 or [],
    output:
        f"{RESULTS}/annotated/{{cls}}.npz",
    log:
        f"{LOGS}/make_real_set/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/make_real_set/{{cls}}.tsv"
    wildcard_constraints:
        cls=REAL_IMAGES,
    threads: 1
    resources:
        mem_mb=memory(6000, fixed=5800),
        runtime=minutes,
    params:
        real=section("real"),
        scans=scan_options,
        sizes=section("annotated_set"),
        rare_min_pixels=lambda w: class_of(w).annotator.rare_min_pixels,
        seed=seed("{cls}", "annotated set"),
        code=lambda w: code("make_real_set.py", f"onemask.data.{class_of(w).real.data_set}"),
    script:
        "../../scripts/make_real_set.py"


ruleorder: make_real_set > make_annotated_set


rule fetch_annotated_set:
    input:
        trained=if_trained(annotated_source, rules.make_annotated_set.output[0]),
    output:
        ANNOTATED,
    log:
        f"{LOGS}/fetch_annotated_set/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: fetched(annotated_source(w)),
        code=code("fetch.py"),
    script:
        "../../scripts/fetch.py"


rule annotator_report:
    # What the annotators achieve on held-out renders and how far they agree, for the tables' captions.
    input:
        annotated=ANNOTATED,
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
