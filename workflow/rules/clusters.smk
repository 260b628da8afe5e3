# Fig. 2: k-means of the hidden features by block, and merged over blocks. `snakemake results/demo/fig2.png`
FIG2 = {"images": 2, "block_clusters": 8, "merged": [10, 8, 6, 4, 3]}
FIG2_CLASSES = STUDY.class_names[:2]


rule segment_clusters:
    input:
        generator=GENERATOR,
    output:
        f"{RESULTS}/clusters/{{cls}}.npz",
    log:
        f"{LOGS}/segment_clusters/{{cls}}.log",
    benchmark:
        f"{BENCHMARKS}/segment_clusters/{{cls}}.tsv"
    threads: 1
    resources:
        mem_mb=memory(2000),
    params:
        **FIG2,
        settings=section("kmeans"),
        truncation=STUDY.truncation,
        version=STUDY.version,
        seed=seed("{cls}", "clusters"),
        code=code("segment_clusters.py"),
    script:
        "../../scripts/segment_clusters.py"


rule fig2:
    input:
        clusters=expand(rules.segment_clusters.output, cls=FIG2_CLASSES),
    output:
        pdf=f"{RESULTS}/fig2.pdf",
        png=report(f"{RESULTS}/fig2.png", caption="../report/fig2.rst", category="Figures"),
    log:
        f"{LOGS}/fig2.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        module="fig2",
        options={"study": STUDY.study, "classes": FIG2_CLASSES},
        code=code("paper.py", "onemask.paper.fig2"),
    script:
        "../../scripts/paper.py"
