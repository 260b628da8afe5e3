# Pictures of one class: the exemplar with its annotation, unseen images with predictions. `snakemake results/demo/gallery/face.png`


rule draw_gallery:
    input:
        pictures=lambda w: pictures_of(w.cls, "hfc_swav_fcn"),
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
