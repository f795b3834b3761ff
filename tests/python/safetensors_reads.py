"""safetensors_reads.py - reads the checkpoint of module.py with Python's own safetensors package and compares.

usage: safetensors_reads.py FOLDER
"""
import os
import sys

import numpy as np
from safetensors import safe_open

folder = sys.argv[1]
expected = np.load(os.path.join(folder, "module.npz"))
with safe_open(os.path.join(folder, "module.safetensors"), framework="np") as file:
    metadata = file.metadata()
    assert metadata["format"] == "dualprop-1", metadata
    assert metadata["epoch"] == "3", metadata
    for name in expected.files:
        np.testing.assert_array_equal(file.get_tensor(name), expected[name])
    assert any(name.startswith("optimizer.") for name in file.keys()), file.keys()
