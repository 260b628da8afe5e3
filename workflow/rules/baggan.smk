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
        images=lambda w: scans_of(w).model_dump(include={"version", "train", "test"}),
        resolution=STUDY.resolution,
    script:
        "../../scripts/simulate_pidray.py"


rule prepare_scans:
    # The training split, cropped and resized as Appendix C.1 says.
    input:
        lambda w: scans_of(w).root or rules.simulate_pidray.output[0].format(cls=w.cls),
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
        resolution=STUDY.resolution,
    script:
        "../../scripts/prepare_scans.py"
