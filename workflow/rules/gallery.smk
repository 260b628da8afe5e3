# Pictures of one class: the exemplar with its annotation, unseen images with predictions. `snakemake results/demo/gallery/face.png`


rule segment_gallery:
    input:
        generator=GENERATOR,
        annotated=ANNOTATED,
        labels=labels,
        clustering=clustering_of,
    output:
        f"{RESULTS}/gallery/{{cls}}.{{method}}.npz",
    log:
        f"{LOGS}/segment_gallery/{{cls}}.{{method}}.log",
    threads: 1
    resources:
        mem_mb=2000,
    params:
        method=method_settings,
        heads=section("heads"),
        loader=clustering_loader,
        unseen=12,
        version=STUDY.version,
        seed=seed("{cls}", "{method}"),
        code=lambda w: code("segment_gallery.py", *method_modules(w)),
    script:
        "../../scripts/segment_gallery.py"


rule draw_gallery:
    input:
        pictures=f"{RESULTS}/gallery/{{cls}}.hfc_swav_fcn.npz",
        labels=labels,
    output:
        report(
            f"{RESULTS}/gallery/{{cls}}.png",
            caption="../report/gallery.rst",
            category="Pictures",
        ),
    log:
        f"{LOGS}/draw_gallery/{{cls}}.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        style={"columns": 6, "tile": 128, "opacity": 0.75},
        source=lambda w: f"study {STUDY.study}, {w.cls}: {STUDY.methods['hfc_swav_fcn'].title}",
        code=code("draw_gallery.py"),
    script:
        "../../scripts/draw_gallery.py"
