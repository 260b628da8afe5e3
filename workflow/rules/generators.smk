# Generators: trained here or fetched (zoo, web), always ending as resources/generators/<study>/<class>.safetensors.


rule train_generator:
    # Resume state lies in an undeclared folder beside the outputs, which Snakemake deletes when a job fails.
    input:
        renders=f"{RESULTS}/renders/{{cls}}.npy",
    output:
        generator=f"{RESULTS}/generators/{{cls}}/generator.safetensors",
        metrics=f"{RESULTS}/generators/{{cls}}/metrics.csv",
        samples=f"{RESULTS}/generators/{{cls}}/samples.png",
    log:
        f"{LOGS}/train_generator/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/train_generator/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        settings=section("generator_training"),
        resolution=STUDY.resolution,
        seed=seed("{cls}", "generator"),
        state=lambda w: f"{RESULTS}/generators/{w.cls}.state",
    script:
        "../../scripts/train_generator.py"


def generator_source(wildcards):
    return STUDY.classes[wildcards.cls].generator


def trained_generator(wildcards):
    """The rule's input where this workflow trains the generator; zoo and web files are known by checksum, not by time."""
    return rules.train_generator.output.generator if generator_source(wildcards).source == "train" else []


rule fetch_generator:
    input:
        trained=trained_generator,
    output:
        GENERATOR,
    log:
        f"{LOGS}/fetch_generator/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        source=lambda w: generator_source(w).model_dump(mode="json"),
    script:
        "../../scripts/fetch.py"
