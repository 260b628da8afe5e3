# Generators: trained here or fetched (zoo, web), always ending as resources/generators/<study>/<class>.safetensors.


rule train_generator:
    # Resume state lies in an undeclared folder beside the outputs, which Snakemake deletes when a job fails.
    input:
        renders=f"{RESULTS}/renders/{{cls}}.npy",
        start=lambda w: class_of(w).generator_training.start_from or [],
    output:
        generator=f"{RESULTS}/generators/{{cls}}/generator.safetensors",
        metrics=f"{RESULTS}/generators/{{cls}}/metrics.csv",
        samples=f"{RESULTS}/generators/{{cls}}/samples.png",
        milestones=directory(f"{RESULTS}/generators/{{cls}}/milestones"),
    log:
        f"{LOGS}/train_generator/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/train_generator/{{cls}}.tsv"
    threads: lambda w: class_of(w).generator_training.processes
    resources:
        mem_mb=memory(3000),
        runtime=1440,  # minutes, for a cluster; it resumes where it was stopped
    params:
        settings=section("generator_training"),
        resolution=lambda w: class_of(w).resolution,
        truncation=STUDY.truncation,
        seed=seed("generator", "{cls}"),
        study=STUDY.study,
        state=training_state,
    script:
        "../../scripts/train_generator.py"


rule score_generator:
    # By request and for `make zoo`; needs the extra `score` (pip install -e .[score]).
    input:
        generator=f"{RESULTS}/generators/{{cls}}/generator.safetensors",
    output:
        f"{RESULTS}/generators/{{cls}}/score.json",
    log:
        f"{LOGS}/score_generator/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=2000,
    params:
        samples=2000,
        world=world_options,
        archive=lambda w: SCANS[w.cls].root if w.cls in SCANS else None,
        code=lambda w: code("score_generator.py", f"onemask.demo.{w.cls}"),
    script:
        "../../scripts/score_generator.py"


rule fetch_checkpoint:
    output:
        f"resources/checkpoints/{STUDY.study}/{{cls}}.checkpoint",
    log:
        f"{LOGS}/fetch_checkpoint/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: fetched(generator_source(w)),
        refused=lambda w: licence_refused(generator_source(w)),
        lock=repository("config/downloads.lock.json"),
        code=code("fetch_checkpoint.py"),
    script:
        "../../scripts/fetch_checkpoint.py"


rule convert_generator:
    input:
        checkpoint_file,
    output:
        generator=GENERATOR,
        card=f"{GENERATOR.removesuffix('.safetensors')}.md",
    log:
        f"{LOGS}/convert_generator/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/convert_generator/{{cls}}.tsv"
    wildcard_constraints:
        cls=CONVERTED,
    threads: 1
    resources:
        mem_mb=2500,
    params:
        source=lambda w: generator_source(w).model_dump(mode="json"),
        code=code("convert_generator.py"),
    script:
        "../../scripts/convert_generator.py"


ruleorder: convert_generator > fetch_generator


rule fetch_generator:
    # Zoo and web files are known by their checksum, not by their time: they are no input.
    input:
        trained=if_trained(generator_source, rules.train_generator.output.generator),
    output:
        GENERATOR,
    log:
        f"{LOGS}/fetch_generator/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: fetched(generator_source(w)),
        code=code("fetch.py"),
    script:
        "../../scripts/fetch.py"
