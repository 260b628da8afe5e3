# Renders of the demo worlds: what generators are trained on. A version key (generator_training.version) stands in for a
# code digest, here and wherever a training follows: an edit must not cost hours.


rule render_dataset:
    output:
        f"{RESULTS}/renders/{{cls}}.npy",
    log:
        f"{LOGS}/render_dataset/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/render_dataset/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=1500,
    params:
        version=lambda w: class_of(w).generator_training.version,
        images=lambda w: class_of(w).generator_training.renders,
        resolution=lambda w: class_of(w).resolution,
    script:
        "../../scripts/render_dataset.py"
