"""Writes a generator of ours as NVIDIA's StyleGAN2-ADA pickles are written, with stand-ins for their modules."""

import pickle
import sys
from types import ModuleType


class EasyDict(dict):
    __module__, __qualname__ = "dnnlib.util", "EasyDict"


def _reconstruct_persistent_obj(meta):
    raise AssertionError("a checkpoint's object was rebuilt")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """A module as torch_utils.persistence pickles it: its source text and its state."""

    def __init__(self, module, source):
        self.meta = EasyDict(type="class", version=6, module_src=source, class_name=type(module).__name__)
        self.meta["state"] = {
            "training": False,
            "_parameters": dict(module.named_parameters(recurse=False)),
            "_buffers": dict(module.named_buffers(recurse=False)),
            "_modules": {name: Persistent(inner, source) for name, inner in module.named_children()},
        }

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,)


def write_ada(path, generator, monkeypatch, source="", protocol=3, **others):
    """G_ema is `generator`; `others` are entries beside it."""
    modules = {
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
        "dnnlib": {},
        "dnnlib.util": {"EasyDict": EasyDict},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    content = {"training_set_kwargs": EasyDict(path="x.zip", use_labels=False), "G_ema": Persistent(generator, source)}
    path.write_bytes(pickle.dumps(content | others, protocol=protocol))
    return path
