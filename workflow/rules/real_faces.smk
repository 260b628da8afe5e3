# Study real_faces, whatever study is configured: MobileStyleGAN fetched from PyPI as data, SwAV on its features, one
# face annotated with polygons, unseen faces segmented. Its settings: config/real_faces/study.yaml.
from onemask.real_faces import load_real_faces

with one_line_errors():
    REAL_FACES = load_real_faces(REPOSITORY / "config/real_faces/study.yaml")
    REAL_FACES_METHODS = REAL_FACES.measured.chosen(load_study({"study": "demo"}, REPOSITORY).methods)

REAL_FACES_RESULTS = "results/real_faces"
REAL_FACES_LABELS = f"config/labels/{REAL_FACES.labels}.yaml"


rule real_faces_fetch:
    output:
        "resources/generators/real_faces/random_face.whl",
    log:
        f"{REAL_FACES_RESULTS}/logs/fetch.log",
    threads: 1
    resources:
        mem_mb=500,
    params:
        wheel=REAL_FACES.wheel.model_dump(),
        code=code("real_faces_fetch.py"),
    script:
        "../../scripts/real_faces_fetch.py"


use rule real_faces_fetch as real_faces_fetch_face_mesh with:
    output:
        "resources/face_mesh/mediapipe.whl",
    log:
        f"{REAL_FACES_RESULTS}/logs/fetch_face_mesh.log",
    params:
        wheel=REAL_FACES.measured.wheel.model_dump(),
        code=code("real_faces_fetch.py"),


rule real_faces_generator:
    input:
        rules.real_faces_fetch.output[0],
    output:
        "resources/generators/real_faces/face.safetensors",
    log:
        f"{REAL_FACES_RESULTS}/logs/generator.log",
    threads: 1
    resources:
        mem_mb=1500,
    params:
        code=code("real_faces_convert.py"),
    script:
        "../../scripts/real_faces_convert.py"


rule real_faces_swav:
    input:
        generator=rules.real_faces_generator.output[0],
    output:
        clustering=f"{REAL_FACES_RESULTS}/clustering/face/swav.safetensors",
        training=f"{REAL_FACES_RESULTS}/clustering/face/swav.csv",
    log:
        f"{REAL_FACES_RESULTS}/logs/swav.log",
    benchmark:
        f"{REAL_FACES_RESULTS}/benchmarks/swav.tsv"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=REAL_FACES.swav.model_dump(mode="json"),
        resolution=REAL_FACES.resolution,
        truncation=REAL_FACES.truncation,
        seed=derive_seed(REAL_FACES.seed, "face", "swav"),
        code=code("real_faces_swav.py"),
    script:
        "../../scripts/real_faces_swav.py"


rule real_faces_segment:
    input:
        generator=rules.real_faces_generator.output[0],
        clustering=rules.real_faces_swav.output.clustering,
        labels=repository(REAL_FACES_LABELS),
        annotation=repository(REAL_FACES.annotation),
    output:
        segmenter=f"{REAL_FACES_RESULTS}/segmenter.safetensors",
        pictures=f"{REAL_FACES_RESULTS}/pictures.npz",
    log:
        f"{REAL_FACES_RESULTS}/logs/segment.log",
    benchmark:
        f"{REAL_FACES_RESULTS}/benchmarks/segment.tsv"
    threads: 1
    resources:
        mem_mb=3000,
    params:
        method=REAL_FACES.method.model_dump(mode="json"),
        resolution=REAL_FACES.resolution,
        truncation=REAL_FACES.truncation,
        unseen=REAL_FACES.unseen,
        image_size=512,
        seed=derive_seed(REAL_FACES.seed, "face", "segmenter"),
        code=code("real_faces_segment.py", f"onemask.segmenters.{REAL_FACES.method.module}"),
    script:
        "../../scripts/real_faces_segment.py"


rule real_faces_figure:
    input:
        pictures=rules.real_faces_segment.output.pictures,
        labels=repository(REAL_FACES_LABELS),
    output:
        "results/real_faces.png",
    log:
        f"{REAL_FACES_RESULTS}/logs/figure.log",
    threads: 1
    resources:
        mem_mb=1000,
    params:
        style=REAL_FACES.figure.model_dump(),
        source=f"study real_faces: HFC + SwAV ({REAL_FACES.method.head.upper()})",
        code=code("draw_gallery.py"),
    script:
        "../../scripts/draw_gallery.py"


rule real_faces_landmarks:
    input:
        generator=rules.real_faces_generator.output[0],
        wheel=rules.real_faces_fetch_face_mesh.output[0],
        labels=repository(REAL_FACES_LABELS),
        annotation=repository(REAL_FACES.annotation),
    output:
        f"{REAL_FACES_RESULTS}/landmarks.npz",
    log:
        f"{REAL_FACES_RESULTS}/logs/landmarks.log",
    benchmark:
        f"{REAL_FACES_RESULTS}/benchmarks/landmarks.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        seeds=list(REAL_FACES.measured.seeds),
        truncation=REAL_FACES.truncation,
        code=code("real_faces_landmarks.py"),
    script:
        "../../scripts/real_faces_landmarks.py"


rule real_faces_cluster:
    # The clusterings of the methods that are measured beside SwAV's.
    input:
        generator=rules.real_faces_generator.output[0],
    output:
        f"{REAL_FACES_RESULTS}/clustering/face/{{clustering}}.safetensors",
    log:
        f"{REAL_FACES_RESULTS}/logs/{{clustering}}.log",
    benchmark:
        f"{REAL_FACES_RESULTS}/benchmarks/{{clustering}}.tsv"
    wildcard_constraints:
        clustering="simclr|kmeans|samples",
    threads: 1
    resources:
        mem_mb=4000,
    params:
        settings=lambda w: getattr(REAL_FACES, w.clustering).model_dump(mode="json"),
        resolution=REAL_FACES.resolution,
        truncation=REAL_FACES.truncation,
        seed=derive_seed(REAL_FACES.seed, "face"),
        code=code("real_faces_cluster.py"),
    script:
        "../../scripts/real_faces_cluster.py"


rule real_faces_measure:
    input:
        generator=rules.real_faces_generator.output[0],
        clustering=real_faces_clustering,
        wheel=rules.real_faces_fetch_face_mesh.output[0],
        landmarks=rules.real_faces_landmarks.output[0],
        labels=repository(REAL_FACES_LABELS),
        annotation=repository(REAL_FACES.annotation),
    output:
        rows=f"{REAL_FACES_RESULTS}/measured/{{method}}.csv",
        label_maps=f"{REAL_FACES_RESULTS}/measured/{{method}}.npz",
    log:
        f"{REAL_FACES_RESULTS}/logs/measure.{{method}}.log",
    benchmark:
        f"{REAL_FACES_RESULTS}/benchmarks/measure.{{method}}.tsv"
    threads: 1
    resources:
        mem_mb=6000,
    params:
        method=lambda w: plain_method(real_faces_method(w)),
        heads=REAL_FACES.heads.model_dump(mode="json"),
        loader=lambda w: CLUSTERINGS.get(real_faces_method(w).clustering, ()),
        resolution=REAL_FACES.resolution,
        truncation=REAL_FACES.truncation,
        seed=lambda w: derive_seed(REAL_FACES.seed, "face", w.method),
        code=lambda w: code(
            "real_faces_measure.py",
            f"onemask.segmenters.{real_faces_method(w).module}",
            *CLUSTERINGS.get(real_faces_method(w).clustering, ())[:1],
        ),
    script:
        "../../scripts/real_faces_measure.py"


use rule table1 as table_real_faces with:
    input:
        rows=expand(rules.real_faces_measure.output.rows, method=REAL_FACES.measured.methods),
        landmarks=rules.real_faces_landmarks.output[0],
    output:
        tex="results/table_real_faces.tex",
        csv="results/table_real_faces.csv",
    log:
        f"{REAL_FACES_RESULTS}/logs/table.log",
    params:
        module="table_real_faces",
        options={
            "titles": {name: method.title for name, method in REAL_FACES_METHODS.items()},
            "note": REAL_FACES.measured.note,
        },
        code=code("paper.py", "onemask.paper.table_real_faces"),


use rule fig1 as fig_real_faces with:
    input:
        landmarks=rules.real_faces_landmarks.output[0],
        label_maps=rules.real_faces_measure.output.label_maps.format(method=REAL_FACES.measured.shown),
        rows=rules.real_faces_measure.output.rows.format(method=REAL_FACES.measured.shown),
        labels=repository(REAL_FACES_LABELS),
    output:
        pdf="results/fig_real_faces.pdf",
        png="results/fig_real_faces.png",
    log:
        f"{REAL_FACES_RESULTS}/logs/cases.log",
    params:
        module="fig_real_faces",
        options={
            "title": REAL_FACES_METHODS[REAL_FACES.measured.shown].title,
            "cases": REAL_FACES.measured.cases,
            "columns": REAL_FACES.measured.columns,
            "opacity": REAL_FACES.figure.opacity,
        },
        code=code("paper.py", "onemask.paper.fig_real_faces"),
