# Study real_faces, whatever study is configured: MobileStyleGAN fetched from PyPI as data, SwAV on its features, one
# face annotated with polygons, unseen faces segmented. Its settings: config/real_faces/study.yaml.
from onemask.real_faces import load_real_faces

with one_line_errors():
    REAL_FACES = load_real_faces(REPOSITORY / "config/real_faces/study.yaml")

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
    script:
        "../../scripts/real_faces_fetch.py"


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
        mem_mb=3000,
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
