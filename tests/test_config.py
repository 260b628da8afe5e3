"""The study configuration: layers, checks, one-line errors, and defaults held equal to those of the modules."""

import dataclasses
import json
import re

import pytest
import yaml

from onemask import sections
from onemask.config import REPOSITORY, json_schema, load_study, merge
from onemask.errors import OnemaskError
from onemask.labels import read_labels
from onemask.paper.published import read_table_a1
from onemask.paper.tableA1 import BLOCKS

FETCHED = {"source": "url", "url": "https://x/y.npz", "file": None, "sha256": "0" * 64}
TRAINED = {"source": "train"}
NEW_CLASS = {"generator": TRAINED, "annotated": TRAINED, "annotators": {"first": TRAINED, "second": TRAINED}}


def test_merge_follows_rfc_7396():
    base = {"a": {"b": 1, "c": 2}, "d": [1, 2]}
    assert merge(base, {"a": {"b": None, "e": 3}, "d": [9]}) == {"a": {"c": 2, "e": 3}, "d": [9]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1, 2]}


@pytest.mark.parametrize("name", ["demo", "test"])
def test_studies_load(name):
    study = load_study({"study": name})
    assert study.study == name
    assert [name for name in ("face", "cat", "car", "horse") if name in study.classes] == study.class_names
    assert set(study.methods_of("face")) == set(study.methods)


def test_overrides_merge_deeply_and_reach_every_class():
    study = load_study({"study": "demo", "swav": {"temperature": 0.2}})
    plain = load_study({"study": "demo"})
    for name in study.class_names:
        changed, before = study.classes[name].swav.model_dump(), plain.classes[name].swav.model_dump()
        assert changed.pop("temperature") == 0.2 != before.pop("temperature")
        assert changed == before


def test_a_class_changes_a_section_for_itself_alone():
    study = load_study({"study": "demo", "classes": {"cat": {"swav": {"steps": 7}}}})
    assert study.classes["cat"].swav.steps == 7
    assert study.classes["cat"].swav.dim == study.classes["face"].swav.dim
    assert study.classes["face"].swav.steps != 7


def test_a_configfile_of_the_study_itself_changes_nothing():
    import yaml

    content = yaml.safe_load((REPOSITORY / "config/studies/test.yaml").read_text())
    assert load_study({"study": "demo"} | content) == load_study({"study": "test"})


def test_null_removes_a_method_and_a_class():
    without = {"study": "demo", "methods": {"copy_mask": None}, "classes": {"cat": None}}
    study = load_study(without | {"inversion": {"methods": ["hfc_kmeans"]}})
    assert "copy_mask" not in study.methods and "cat" not in study.classes
    with pytest.raises(OnemaskError, match="inversion.methods: 'copy_mask' is no method; there are datasetgan"):
        load_study(without)


def test_preset_lies_under_the_study():
    paper, release = (load_study({"study": "demo", "preset": preset}) for preset in ("paper", "release"))
    assert paper.swav.activation == "leaky_relu" and release.swav.activation == "linear"
    assert paper.swav.perturbation.strength == 0.9 and release.swav.perturbation.strength == 1.0
    assert paper.heads.learning_rate == 0.01 and release.heads.learning_rate == 0.001
    stated = load_study({"study": "demo", "preset": "release", "swav": {"local_loss": True}})
    assert stated.swav.local_loss and not release.swav.local_loss


def experiment(**changes):
    return {"experiments": {"x": {"methods": ["hfc_swav_mlp"], **changes}}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"study": "nope"}, "no study 'nope' in config/studies; there are demo"),
        ({"study": None}, "`study` must name a file"),
        ({"downstream": {"methods": ["hfc"]}}, "downstream.methods: 'hfc' is no method; there are copy_mask"),
        ({"downstream": {"methods": ["supervised_fcn"]}}, "supervised_fcn is not fitted on an exemplar"),
        ({"downstream": {"runs": 21}}, "downstream.runs: 21, but face has 20 exemplars"),
        ({"downstream": {"ratios": []}}, "downstream.ratios: List should have at least 1 item"),
        ({"downstream": {"batch": 100}}, "batch: 100 is more than the 80 real images"),
        ({"methods": {"real": {"module": "copy_mask", "title": "x"}}}, "'real' stands for no method in Table 3"),
        ({"methods": {"renders": {"module": "copy_mask", "title": "x"}}}, "'renders' stands for no method in Table 3"),
        ({"downstream": {"controls": {"few": {"real": 90}}}}, "controls.few.real: 90 is not 8 (batch) to 80 (real)"),
        ({"downstream": {"controls": {"few": {"ratio": 6}}}}, "controls.few.ratio: 6 is more than the largest of"),
        ({"downstream": {"controls": {"few": {"methods": ["hfc"]}}}}, "controls.few.methods: 'hfc' is no method"),
        ({"downstream": {"controls": {"few": {"classes": ["dog"]}}}}, "controls.few.classes: 'dog' is no class"),
        ({"downstream": {"controls": {"few": {"methods": ["supervised_fcn"]}}}}, "not fitted on an exemplar"),
        (
            {
                "classes": {"face": {"annotators": None, "annotated": FETCHED}},
                "downstream": {"controls": {"pictures": {"classes": ["face"]}}},
            },
            "controls.pictures.methods: face is no demo world",
        ),
        ({"losses": {"presets": {"x": {"los": "logistic"}}}}, "losses"),
        ({"swav": {"temprature": 1}}, "swav.temprature: unknown key; did you mean 'temperature'?"),
        ({"classes": {"face": {"swav": {"perturbation": {"strenght": 1}}}}}, "unknown key; did you mean 'strength'?"),
        ({"swav": {"temperature": "warm"}}, "swav.temperature: Input should be a valid number"),
        ({"swav": {"temperature": 0}}, "swav.temperature: Input should be greater than 0"),
        ({"nonsense": 1}, "nonsense: unknown key; there are generator_training, annotator"),
        ({"classes": {"dog": {"generator": TRAINED}}}, "classes: 'dog' is no class; there are baggage, car, cat"),
        ({"classes": {"face": 3}}, "classes.face"),
        ({"classes": 3}, "classes: Input should be a valid dictionary"),
        ({"classes": {"face": {"generator": {"source": "url", "file": None}}}}, "needs `url` and `sha256`"),
        ({"classes": {"face": {"generator": {"sha256": "12"}}}}, "sha256: String should match"),
        ({"classes": {"face": {"methods": ["magic"]}}}, "classes.face.methods: 'magic' is no method; there"),
        ({"methods": {"x": {"module": "magic", "title": "X"}}}, "methods.x.module: 'magic' is no module"),
        ({"methods": {"x": {"module": "hfc", "title": "X", "clustering": "magic"}}}, "methods.x.clustering: Input"),
        ({"tuning": {"space": {"magic": {}}}}, "tuning.space: 'magic' is no method"),
        ({"tuning": {"space": {"hfc_kmeans": {"kmeans.clusters": [5, "hot"]}}}}, "kmeans.clusters: clusters: Input"),
        ({"tuning": {"space": {"hfc_kmeans": {"kmeans.colour": [5]}}}}, "kmeans.colour: colour: unknown key; there"),
        ({"tuning": {"space": {"hfc_kmeans": {"magic.x": [5]}}}}, "magic.x: 'magic' is no section; there are"),
        ({"methods": {"copy_mask": {"settings": {"hiden": 3}}}}, "copy_mask.settings: 'hiden' is no setting of"),
        ({"methods": {"datasetgan": {"settings": {"hidden": 3}}}}, "'hidden' is no setting of the module datasetgan"),
        ({"tuning": {"space": {"hfc_kmeans": {"kmeans": [5]}}}}, "hfc_kmeans.kmeans: a section as a whole; name a key"),
        (experiment(grid={"swav.epsilon": [0.1, 0]}), "x.grid.swav.epsilon: epsilon: Input should be greater"),
        (experiment(base={"swav.stepz": 1}), "x.base.swav.stepz: stepz: unknown key; did you mean 'steps'?"),
        (experiment(grid={"swav.perturbation.block": [9]}), "x: swav.perturbation.block: 64 px have blocks 0 to 4"),
        (experiment(base={"swav.sampling": "patches"}, grid={"swav.patch_size": [8, 65]}), "patch_size: larger than"),
        (experiment(base={"swav.sampling": "patches"}, grid={"swav.patch_size": [33]}), "no such patch fits into an"),
        (experiment(methods=["lagm"], grid={"heads.epochs": [3]}), "x: heads.epochs means nothing to lagm, which has"),
        (experiment(methods=["supervised_fcn"], shots=[5]), "x.shots: supervised_fcn is fitted on the split"),
        ({"methods": {"lagm": {"head": "mlp1"}}}, "methods.lagm.head: the module lagm has no head; remove the key"),
        (experiment(grid={"method.head": ["mlp2"]}), "experiments.x.grid.method.head: head: Input should be"),
        (experiment(methods=["magic"]), "experiments.x.methods: 'magic' is no method; there are copy_mask"),
        (experiment(classes=["dog"]), "experiments.x.classes: 'dog' is no class; there are face"),
        (experiment(shots=[21]), "experiments.x.shots: 21, but face has 20 exemplars"),
        ({"rare": {"methods": ["magic"]}}, "rare.methods: 'magic' is no method"),
        ({"kmeans": {"layers": 5}}, "kmeans.layers: 64 px have blocks 0 to 4"),
        ({"simclr": {"pixels": 99999}}, "simclr.pixels: more than the 4096 of each"),
        ({"swav": {"perturbation": {"block": 99}}}, "swav.perturbation.block: 64 px have blocks 0 to 4"),
        ({"swav": {"pixels": 99999}}, "swav.pixels: more than the 4096 of each"),
        ({"swav": {"sampling": "patches", "patch_size": 65}}, "swav.patch_size: larger than an image of 64 px"),
        ({"preset": "nope"}, "preset 'nope' is not one of paper, release"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
    ],
)
def test_every_error_is_one_line_that_names_the_key(overrides, message):
    with pytest.raises(OnemaskError) as caught:
        load_study(merge_keeping_none({"study": "demo"}, overrides))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def merge_keeping_none(base, patch):
    """As the command line: a null stays a null, for load_study to read."""
    return base | patch


def test_defaults_of_a_module_s_own_settings_are_read_without_importing_it():
    from onemask.config import own_defaults, own_settings
    from onemask.segmenters.datasetgan import EnsembleSettings
    from onemask.segmenters.lagm import LagmSettings

    assert own_defaults("datasetgan") == dataclasses.asdict(EnsembleSettings())
    assert own_defaults("lagm") == dataclasses.asdict(LagmSettings())
    assert own_settings()["hfc"] == [] and own_defaults("hfc") == {}


def test_clustering_seeds_are_those_of_every_experiment_that_states_none():
    study = load_study({"study": "demo", "clustering_seeds": 3, "experiments": {"fig14a": {"replicates": [0, 4]}}})
    replicates = {name: experiment.replicates for name, experiment in study.experiments.items()}
    assert replicates["table7"] == [0, 1, 2] and replicates["fig14a"] == [0, 4]
    assert study.rare.replicates == [1, 2]
    assert load_study({"study": "demo"}).experiments["table7"].replicates == [0]


def test_values_of_a_grid_are_numbers_though_the_command_line_gives_text():
    texts = {"swav.epsilon": ["0.1", "0.5"], "swav.perturbation.block": ["all", "0"], "swav.local_loss": ["false"]}
    study = load_study({"study": "demo", **experiment(grid=texts, base={"swav.steps": "3"})})
    found = study.experiments["x"]
    assert found.grid == {
        "swav.epsilon": [0.1, 0.5],
        "swav.perturbation.block": ["all", 0],
        "swav.local_loss": [False],
    }
    assert found.base == {"swav.steps": 3}


def test_a_study_file_that_is_no_mapping_is_one_line(tmp_path):
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "config/studies/odd.yaml").write_text("- a\n- b: [\n")
    with pytest.raises(OnemaskError, match=r"odd\.yaml: not readable as YAML") as caught:
        load_study({"study": "odd"}, tmp_path)
    assert "\n" not in str(caught.value)


def test_the_exported_schema_is_the_models():
    path = REPOSITORY / "workflow/schemas/study.schema.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(json_schema())), "run `make schema`"


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def defaults(settings):
    """Names and default values of a dataclass, nested ones as mappings."""
    return {name: plain(value) for name, value in dataclasses.asdict(settings()).items()}


def dumped(section, without=()):
    values = section().model_dump()
    return {name: plain(value) for name, value in values.items() if name not in without}


def test_sections_repeat_the_defaults_of_the_modules_that_they_configure():
    from onemask.clustering.kmeans import KMeansSettings
    from onemask.clustering.simclr import SimCLRSettings
    from onemask.clustering.swav import SwAVSettings
    from onemask.demo.annotating import AnnotatedSetSettings
    from onemask.demo.annotator import AnnotatorSettings
    from onemask.demo.inverted import InvertedSettings
    from onemask.downstream.detect import DetectorOptions
    from onemask.downstream.train import TrainingOptions
    from onemask.sections import experiments
    from onemask.segmenters import head_segmenter
    from onemask.segmenters.fit import FitOptions
    from onemask.training.settings import TrainingSettings

    def module(settings, *given_by_the_study):
        return {name: value for name, value in defaults(settings).items() if name not in given_by_the_study}

    assert dumped(sections.SwAVSettings) == module(SwAVSettings, "truncation")
    assert dumped(sections.SimCLRSettings) == module(SimCLRSettings, "truncation")
    assert dumped(sections.KMeansSettings) == module(KMeansSettings, "truncation")
    assert dumped(sections.AnnotatorSettings, ["version"]) == module(AnnotatorSettings)
    assert dumped(sections.AnnotatedSetSettings, ["version"]) == module(AnnotatedSetSettings, "truncation")
    other = ["version", "renders", "processes", "start_from"]
    assert dumped(sections.GeneratorTrainingSettings, other) == module(TrainingSettings, "resolution")
    known = ["head", *sections.HeadSettings.model_fields, *sections.HEAD_EXTRAS]
    assert sorted(known) == sorted(head_segmenter.SETTINGS)
    assert dumped(sections.HeadSettings, ["hidden"]) == module(FitOptions)
    assert module(InvertedSettings).items() <= dumped(experiments.InvertedSettings).items()
    assert module(TrainingOptions).items() <= dumped(experiments.DownstreamSettings).items()
    assert module(DetectorOptions).items() <= dumped(experiments.SDANetSettings).items()


def keys_of_faithfulness():
    """Dotted keys that the last columns of docs/faithfulness.md name; `.x` stands under the key before."""
    for line in (REPOSITORY / "docs/faithfulness.md").read_text().splitlines():
        if not line.startswith("| ") or line.startswith("| #"):
            continue
        before = ""
        for name in re.findall(r"`([\w.<>*]+)`", line.rsplit("|", 2)[1]):
            if name.startswith("."):
                name = f"{before.rsplit('.', 1)[0]}{name}"
            if not name.endswith((".py", ".smk", ".png", ".md", ".yaml")):
                before = name
                yield name


def holds(content, parts):
    """Whether nested mappings have a path; <anything> is any key, `x_*` any that begins so."""
    if not parts:
        return True
    first, *rest = parts
    if not isinstance(content, dict):
        return False
    if first.startswith("<"):
        return any(holds(value, rest) for value in content.values())
    if first.endswith("*"):
        return any(key.startswith(first[:-1]) for key in content)
    return first in content and holds(content[first], rest)


@pytest.mark.parametrize("name", sorted(set(keys_of_faithfulness())))
def test_every_key_that_faithfulness_names_exists(name):
    """In the demo, at the paper's scale, or in a class's own sections."""
    studies = [load_study({"study": which}).model_dump() for which in ("demo", "paper")]
    assert any(holds(study, name.split(".")) for study in studies) or holds(
        studies[0]["classes"], ["<class>", *name.split(".")]
    )


@pytest.mark.parametrize("name", ["face", "car", "cat", "horse"])
def test_the_papers_scale_is_table_a1(name):
    """Every setting of the table that is a setting here; its hidden features are computed from the generator."""
    entry = load_study({"study": "paper"}).classes[name]
    own = {"swav": entry.swav.model_dump(), "heads": entry.heads.model_dump()}
    theirs = read_table_a1(REPOSITORY / "config/published.yaml")
    settings = {theirs_key: key.split(".") for _, key, theirs_key in sum(BLOCKS.values(), []) if theirs_key and key}
    assert settings.keys() == theirs.keys() - {"labels", "epochs", "patches"}
    del settings["hidden_features"]
    assert {key: value_of(own, parts) for key, parts in settings.items()} == {
        key: theirs[key][name] for key in settings
    }
    # An epoch is fifty images (decision 23), a patch the pixels of one image.
    assert entry.swav.images_per_step == theirs["patches"][name]
    assert entry.swav.steps * entry.swav.images_per_step == 50 * theirs["epochs"][name]
    labels = read_labels(REPOSITORY / f"config/labels/{name}.yaml")
    assert list(labels.names) == theirs["labels"][name]


def value_of(content, parts):
    """The value of a dotted key."""
    for part in parts:
        content = content[part]
    return content


def test_keys_that_do_not_exist_are_found_out():
    study = load_study({"study": "demo"}).model_dump()
    assert holds(study, ["classes", "<class>", "swav", "dim"]) and not holds(study, ["swav", "dims"])


def test_the_study_of_an_exported_annotation_loads_as_the_document_writes_it():
    text = (REPOSITORY / "docs/label.md").read_text()
    (snippet,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    study = load_study({"study": "demo", **yaml.safe_load(snippet.replace("sha256: ...", f"sha256: {'a' * 64}"))})
    assert study.classes["face"].annotated.file == "labelling-demo-face/annotated.npz"
