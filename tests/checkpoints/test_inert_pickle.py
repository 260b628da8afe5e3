import collections
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from onemask.checkpoints.inert_pickle import Made, read_pickle
from onemask.errors import OnemaskError

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = ("collections.OrderedDict", "torch.FloatStorage", "builtins.set")


def read(content, allowed=ALLOWED):
    return read_pickle(io.BytesIO(content), allowed, "net.pkl")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value", [None, True, 3, -(2**70), 2.5, "text é", b"bytes", [1, [2]], (1, (2, 3), ()), {"a": {1: None}}, [()] * 3]
)
def test_plain_values_come_back(value, protocol):
    if protocol < 3 and isinstance(value, bytes):
        pytest.skip("bytes are pickled as a call there")
    assert read(pickle.dumps(value, protocol)) == value


def test_shared_values_are_one_and_streams_hold_several_pickles():
    inner = [1]
    shared = read(pickle.dumps([inner, inner]))
    assert shared[0] is shared[1]
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps("two"))
    assert [read_pickle(stream, (), "x") for _ in range(2)] == [1, "two"]


def test_calls_become_records():
    made = read(pickle.dumps(collections.OrderedDict(a=1), 4))
    assert isinstance(made, Made) and made.function.name == "collections.OrderedDict" and made.pairs == {"a": 1}


class Calls:
    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


TOUCH = "touched"
HOSTILE = {
    "system": pickle.dumps(Calls(os.system, f"touch {TOUCH}")),
    "eval": pickle.dumps(Calls(eval, f"open('{TOUCH}', 'w')")),
    "exec_0": pickle.dumps(Calls(exec, f"open('{TOUCH}', 'w')"), 0),
    "nested": pickle.dumps({"G_ema": [Calls(os.system, "x")]}),
    "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR.",
    "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
    "stack_global_of_a_number": b"\x80\x04K\x01\x8c\x06system\x93.",
    "dotted": b"\x80\x04\x8c\x0bcollections\x8c\x13OrderedDict.__init__\x93.",
    "instance": b"(S'x'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'x'\no.",
    "extension": b"\x80\x02\x82\x01.",
    "call_of_a_value": b"\x80\x02K\x01K\x02\x85R.",
    "call_of_a_call": b"\x80\x02ccollections\nOrderedDict\n)R)R.",
    "arguments_no_tuple": b"\x80\x02ccollections\nOrderedDict\nK\x01R.",
    "build_on_a_global": b"\x80\x02ccollections\nOrderedDict\n}b.",
    "build_on_a_list": b"\x80\x02]}b.",
    "build_twice": b"\x80\x02ccollections\nOrderedDict\n)R}b}b.",
    "unhashable_key": b"\x80\x02}]K\x01s.",
    "deep_key": b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.",
    "append_to_a_tuple": b"\x80\x02)K\x01a.",
    "keys_of_a_list": b"\x80\x02]K\x01K\x02s.",
    "keywords": b"\x80\x04\x8c\x0bcollections\x8c\x0bOrderedDict\x93)}\x8c\x01aK\x01s\x92.",
    "no_memo": b"\x80\x02h\x07.",
    "empty_stack": b"\x80\x02R.",
    "pop_below_mark": b"\x80\x02K\x01(0.",
    "no_mark": b"\x80\x02K\x01t.",
    "no_stop": b"\x80\x02K\x01",
    "gigantic_bytes": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
    "gigantic_text": b"\x80\x04X\xff\xff\xff\x7fx.",
    "long_number": b"I" + b"9" * 100_000 + b"\n.",
    "protocol_9": b"\x80\x09K\x01.",
    "out_of_band": b"\x80\x05\x97.",
    "text": b"this is no pickle",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_plain_is_refused_and_nothing_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pkl").write_bytes(HOSTILE[name])
    with pytest.raises(OnemaskError, match="^net.pkl: ") as caught:
        read(HOSTILE[name])
    assert "\n" not in str(caught.value)
    with open("net.pkl", "rb") as stream, pytest.raises(OnemaskError, match="^net.pkl: "):
        read_pickle(stream, ALLOWED, "net.pkl")
    assert [path.name for path in tmp_path.iterdir()] == ["net.pkl"]


def test_the_refused_global_is_named():
    with pytest.raises(OnemaskError, match="names 'posix.system', which no checkpoint of this kind needs"):
        read(HOSTILE["system"])


LAUGHS = b"\x80\x02](K\x01K\x01e" + b"q\x00](h\x00h\x00h\x00h\x00e" * 60 + b"."
ENDLESS = b"\x80\x02K\x01" + b"2" * 5_000_001 + b"."
SETS = b"\x80\x04" + b"\x8f" * 5_000_001 + b"."


def test_billion_laughs_are_read_as_what_they_are_and_endless_opcodes_are_refused():
    assert len(read(LAUGHS)) == 4  # shared, never expanded: to refuse them would take what they promise
    for endless in (ENDLESS, SETS):
        with pytest.raises(OnemaskError, match="more than 1000000 opcodes"):
            read(endless)


BOUNDED = """
import resource, signal
from tests.checkpoints import test_inert_pickle as corpus
from onemask.errors import OnemaskError
size = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (400 << 20),) * 2)
for name, content in {**corpus.HOSTILE, "endless": corpus.ENDLESS, "sets": corpus.SETS}.items():
    signal.alarm(10)
    try:
        corpus.read(content)
    except OnemaskError:
        continue
    raise SystemExit(f"{name} was read")
corpus.read(corpus.LAUGHS)
"""


def test_the_whole_corpus_takes_less_than_400_mb_and_seconds():
    finished = subprocess.run([sys.executable, "-c", BOUNDED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr[-2000:]
