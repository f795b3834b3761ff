"""smoke.py - drives the library from Python through ctypes alone: no wrapper, no copies of arrays.

The signatures come from the headers themselves, so this also checks that every function that a header declares exists
in the library and has a shape that ctypes can call. Prints one line a test and the count at the end.

usage: smoke.py [FOLDER]   (FOLDER receives a checkpoint that safetensors_reads.py compares; DUALPROP_LIB_PATH names the
library where it is not lib/libdualprop.so.0)
"""
import ctypes as C
import glob
import os
import re
import sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = os.environ.get("DUALPROP_LIB_PATH", os.path.join(ROOT, "lib", "libdualprop.so.0"))
SCALARS = {"int": C.c_int, "int32_t": C.c_int32, "int64_t": C.c_int64, "uint32_t": C.c_uint32,
           "uint64_t": C.c_uint64, "size_t": C.c_size_t, "double": C.c_double, "dualprop_status": C.c_int,
           "dualprop_log": C.c_void_p, "dualprop_parallel_for": C.c_void_p}


class View(C.Structure):
    """dualprop_view: where an array lies and how its elements are spaced."""
    _fields_ = [("struct_size", C.c_uint64), ("data", C.c_void_p), ("type", C.c_int32), ("rank", C.c_int32),
                ("shape", C.c_int64 * 8), ("strides", C.c_int64 * 8)]

    TYPES = {"float32": 1, "float64": 2, "uint8": 3, "int32": 4}

    def __init__(self, array):
        super().__init__(struct_size=C.sizeof(View), data=array.ctypes.data, type=self.TYPES[str(array.dtype)],
                         rank=array.ndim)
        self.shape[:array.ndim] = array.shape
        self.strides[:array.ndim] = [stride // array.itemsize for stride in array.strides]


def read_headers():
    """The text of all public headers without comments."""
    text = ""
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "dualprop", "*.h"))):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def argument_type(declaration):
    """The ctypes type of one parameter such as `const double *mean`."""
    if "*" in declaration or "[" in declaration:
        return C.c_char_p if re.fullmatch(r"const char \*\w+", declaration) else C.c_void_p
    words = [word for word in declaration.split() if word != "const"]
    return SCALARS[words[0]]


def signatures(text):
    """{function: (result type, [argument types])} of every public function."""
    found = {}
    for result, name, arguments in re.findall(
            r"^DUALPROP_API\s+(?:DUALPROP_CHECKED\s+)?([\w\s*]*?)(dualprop_\w+)\(([^;]*?)\);", text, flags=re.S | re.M):
        arguments = [" ".join(argument.split()) for argument in arguments.split(",")]
        types = [] if arguments == ["void"] else [argument_type(argument) for argument in arguments]
        result = " ".join(result.split())
        if result == "dualprop_status":
            kind = C.c_int
        elif result == "void":
            kind = None
        else:
            kind = C.c_char_p if "*" in result else SCALARS[result]
        found[name] = (kind, types)
    return found


class Library:
    """The library with every function's signature set; a call that fails raises with the library's own sentence."""

    def __init__(self, path):
        self.library = C.CDLL(path)
        self.missing = []
        for name, (result, arguments) in signatures(read_headers()).items():
            try:
                function = getattr(self.library, name)
            except AttributeError:
                self.missing.append(name)
                continue
            function.restype, function.argtypes = result, arguments

    def __getattr__(self, name):
        function = getattr(self.library, "dualprop_" + name)

        def call(*arguments):
            result = function(*arguments)
            if function.restype is C.c_int and result != 0:
                raise RuntimeError(self.last_error())
            return result
        return call

    def last_error(self):
        buffer = C.create_string_buffer(1024)
        self.library.dualprop_last_error(buffer, len(buffer), None, None)
        return buffer.value.decode()

    def create(self, what, *arguments):
        handle = C.c_void_p()
        getattr(self, what + "_create")(C.byref(handle), *arguments)
        return handle


def constants(text):
    """The named constants of the headers' plain enumerations."""
    found = {}
    for body in re.findall(r"enum\s*\{([^}#]*)\}", text):
        for name, value in re.findall(r"(DUALPROP_\w+)\s*=\s*(-?\d+)", body):
            found[name[len("DUALPROP_"):]] = int(value)
    return found


TEXT = read_headers()
K = constants(TEXT)
LIB = Library(LIBRARY)


def blobs(count, seed):
    """Points of three classes, in float32: easy enough that a few dozen steps must learn them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count).astype(np.int32)
    centres = np.array([[2, 0], [-1, 1.7], [-1, -1.7]])
    return np.ascontiguousarray(centres[labels] + 0.4 * random.standard_normal((count, 2)), np.float32), labels


class Trained:
    """A small network trained on arrays that lie where numpy put them."""

    def __init__(self):
        self.context = LIB.create("context", K["BACKEND_AUTO"], None)
        self.network = LIB.create("network", self.context, 1, 1, 2)
        LIB.network_add_dense(self.network, 8, K["TANH"])
        LIB.network_add_dense(self.network, 3, K["IDENTITY"])
        LIB.network_initialize(self.network, 1)
        self.rule = LIB.create("rule", self.context, K["DP_ADJOINT"])
        self.state = LIB.create("state", self.network, self.rule, 64)
        self.optimizer = LIB.create("optimizer", self.network, K["ADAM"])
        LIB.optimizer_set_learning_rate(self.optimizer, 0.02)
        self.points, self.labels = blobs(640, 1)
        for step in range(100):
            first = 64 * (step % 10)
            images, classes = self.points[first:first + 64], self.labels[first:first + 64]
            LIB.infer(self.state, images.ctypes.data, classes.ctypes.data, 64)
            LIB.update(self.optimizer, self.state)

    def weights(self, name, shape):
        array = np.zeros(shape, np.float32)
        LIB.network_read(C.byref(View(array)), self.network, name.encode())
        return array

    def predict(self, points):
        scores = np.zeros((len(points), 3), np.float32)
        LIB.predict(scores.ctypes.data, self.state, points.ctypes.data, len(points))
        return scores

    def destroy(self):
        for name in ("optimizer", "state", "rule", "network", "context"):
            getattr(LIB, name + "_destroy")(getattr(self, name))


def test_every_function_exists(_):
    assert len(signatures(TEXT)) > 60, "the headers were not understood"
    assert not LIB.missing, LIB.missing


def test_versions_agree(_):
    numbers = [re.search(r"DUALPROP_VERSION_%s (\d+)" % part, TEXT).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
    assert LIB.version_string().decode() == ".".join(numbers)


def test_learns(trained):
    points, labels = blobs(500, 2)
    accuracy = (trained.predict(points).argmax(axis=1) == labels).mean()
    assert accuracy > 0.95, accuracy


def test_weights_say_what_predict_says(trained):
    points, _ = blobs(50, 3)
    hidden = np.tanh(points @ trained.weights("layer1.weight", (2, 8)) + trained.weights("layer1.bias", (8,)))
    scores = hidden @ trained.weights("layer2.weight", (8, 3)) + trained.weights("layer2.bias", (3,))
    np.testing.assert_allclose(trained.predict(points), scores, rtol=1e-4, atol=1e-5)


def test_strides_need_no_copy(trained):
    points, _ = blobs(50, 4)
    wide = np.full((50, 5), np.nan, np.float64)
    wide[:, 4:0:-2] = points
    scores = np.zeros((3, 50), np.float64)
    LIB.predict_view(C.byref(View(scores.T)), trained.state, C.byref(View(wide[:, 4:0:-2])))
    np.testing.assert_allclose(scores.T, trained.predict(points), rtol=1e-6)


def test_writes_and_reads_weights(trained):
    copy = trained.weights("layer2.weight", (8, 3))
    transposed = np.arange(24, dtype=np.float64).reshape(3, 8)
    LIB.network_write(trained.network, b"layer2.weight", C.byref(View(transposed.T)))
    np.testing.assert_array_equal(trained.weights("layer2.weight", (8, 3)), transposed.T.astype(np.float32))
    LIB.network_write(trained.network, b"layer2.weight", C.byref(View(copy)))


def test_wrong_calls_are_sentences(trained):
    for call in (lambda: trained.weights("layer2.weight", (3, 8)), lambda: trained.weights("layer9.weight", (8, 3)),
                 lambda: LIB.network_add_dense(None, 3, 0)):
        try:
            call()
        except RuntimeError as error:
            assert len(str(error)) > 10, error
        else:
            raise AssertionError("a wrong call succeeded")


def test_checkpoint_comes_back(trained):
    path = os.path.join(FOLDER, "smoke.safetensors")
    checkpoint = LIB.create("checkpoint", trained.context)
    LIB.checkpoint_put_network(checkpoint, trained.network)
    LIB.checkpoint_put_optimizer(checkpoint, trained.optimizer)
    LIB.checkpoint_put_text(checkpoint, b"epoch", b"3")
    LIB.checkpoint_write(checkpoint, path.encode())
    LIB.checkpoint_destroy(checkpoint)
    again, network = C.c_void_p(), C.c_void_p()
    LIB.checkpoint_read(C.byref(again), trained.context, path.encode())
    LIB.checkpoint_get_network(C.byref(network), again)
    names = ("layer1.weight", (2, 8)), ("layer1.bias", (8,)), ("layer2.weight", (8, 3)), ("layer2.bias", (3,))
    expected = {}
    for name, shape in names:
        array = np.zeros(shape, np.float32)
        LIB.network_read(C.byref(View(array)), network, name.encode())
        expected[name] = trained.weights(name, shape)
        np.testing.assert_array_equal(array, expected[name])
    np.savez(os.path.join(FOLDER, "smoke.npz"), **expected)
    LIB.network_destroy(network)
    LIB.checkpoint_destroy(again)


def main():
    trained = Trained()
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test(trained)
            passed += 1
        except Exception as error:  # whatever it is, the other tests go on
            failed += 1
            print("FAILED: %s: %s: %s" % (name, type(error).__name__, error))
    trained.destroy()
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
if __name__ == "__main__":
    sys.exit(main())
