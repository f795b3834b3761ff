"""The library beside PyTorch, and four times, in one process: memory of threads suffices for all, in any order.

usage: beside_torch.py LIBRARY    ends with status 77 where there is no torch
"""
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import threading


def load(path):
    library = ctypes.CDLL(path)
    library.dualprop_last_error.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    library.dualprop_context_create.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    return library


# An error has a sentence of this thread's own.
def fail(library, number, sentences):
    context = ctypes.c_void_p()
    text = ctypes.create_string_buffer(512)
    status = library.dualprop_context_create(ctypes.byref(context), 1000 + number, None)
    assert status != 0 and library.dualprop_last_error(text, 512, None, None) == 0
    sentences[number] = text.value.decode()


def fail_in_threads(libraries):
    for library in libraries:
        sentences = {}
        threads = [threading.Thread(target=fail, args=(library, i, sentences)) for i in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(64):
            assert str(1000 + number) in sentences[number], sentences[number]


def multiply(torch):
    a = torch.ones(200, 200)
    assert float((a @ a).sum()) == 200.0 ** 3


def one_order(order, paths):
    libraries = []
    for what in order:
        if what == "torch":
            import torch
            multiply(torch)
        else:
            libraries += [load(path) for path in paths]
        fail_in_threads(libraries)
    multiply(torch)


def main():
    if len(sys.argv) > 2:
        return one_order(sys.argv[2].split(","), sys.argv[3:])
    try:
        import torch  # noqa: F401
    except ImportError:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(sys.argv[1], os.path.join(folder, f"copy{i}.so")) for i in range(4)]
        for order in ("torch,libraries", "libraries,torch"):
            subprocess.run([sys.executable, __file__, sys.argv[1], order, *copies], check=True)
    print("beside PyTorch in both orders: 4 copies, 64 threads each")


main()
