# BagGAN (Section 8, Appendix C): baggage scans in PIDRay's layout, simulated or real, read by one reader.


ruleorder: prepare_scans > render_dataset


rule simulate_pidray:
    output:
        directory(f"{RESULTS}/pidray/{{cls}}"),
    log:
        f"{LOGS}/simulate_pidray/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate_pidray/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=1500,
    params:
        images=lambda w: scans_of(w).model_dump(include={"version", "packing", "train", "test"}),
        resolution=lambda w: class_of(w).resolution,
    script:
        "../../scripts/simulate_pidray.py"


rule prepare_scans:
    # The training split, cropped and resized as Appendix C.1 says.
    input:
        simulated_scans,
    output:
        images=f"{RESULTS}/renders/{{cls,{SCANNED}}}.npy",
        report=f"{RESULTS}/renders/{{cls}}.json",
    log:
        f"{LOGS}/prepare_scans/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/prepare_scans/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        settings=lambda w: scans_of(w).model_dump(include={"version", "crop", "skip_bad"}),
        root=lambda w: scans_of(w).root,
        resolution=lambda w: class_of(w).resolution,
    script:
        "../../scripts/prepare_scans.py"


use rule train_generator as train_baggan with:
    # A class's generator under one of the study's losses, at any budget: nothing reads it but table_losses.
    input:
        renders=f"{RESULTS}/renders/{{cls}}.npy",
        start=[],  # from scratch, wherever the class's own training starts
    output:
        generator=f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/generator.safetensors",
        metrics=f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/metrics.csv",
        samples=f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/samples.png",
        milestones=directory(f"{RESULTS}/losses/{{cls}}/{{loss}}.{{kimg}}k/milestones"),
    log:
        f"{LOGS}/train_baggan/{{cls}}.{{loss}}.{{kimg}}k.log",
    benchmark:
        f"{BENCHMARKS}/train_baggan/{{cls}}.{{loss}}.{{kimg}}k.tsv"
    threads: 1
    params:
        settings=lambda w: loss_settings(w.cls, w.loss, w.kimg),
        resolution=lambda w: class_of(w).resolution,
        truncation=STUDY.truncation,
        seed=seed("generator", "{cls}"),
        study=STUDY.study,
        state=lambda w: state_folder(
            w, f"{RESULTS}/losses/{w.cls}/{w.loss}.{w.kimg}k", loss_settings(w.cls, w.loss, w.kimg)
        ),
