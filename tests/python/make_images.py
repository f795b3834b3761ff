"""Write a small data set in the exact files of a large one, for tests. The images of a class resemble each other.

usage: make_images.py cifar10|cifar100|imagenet32|arrays|tiny|mnist DIR SAMPLES [stored|last]

SAMPLES is per training file. arrays are the test images of cifar10 as .npy, for training and for testing; tiny the
first 5 x 4 pixels of them; mnist their green planes, cut. Archives of imagenet32 are packed unless "stored"; "last"
gives the last label of each a 1001. Needs nothing but Python.
"""
import os
import random
import struct
import sys
import zipfile

PIXELS = 1024


class Images:
    """Patches of eight by eight pixels whose brightness is the class's, with noise on them; planes of red, green,
    blue."""

    def __init__(self, classes):
        self.random = random.Random(1)
        self.patterns = [self.pattern() for _ in range(classes)]

    def pattern(self):
        patches = [self.random.randrange(128) for _ in range(48)]
        return [patches[16 * (i // PIXELS) + 4 * (i % PIXELS // 256) + i % 32 // 8] for i in range(3 * PIXELS)]

    def image(self, label):
        noise = self.random.randbytes(3 * PIXELS)
        return bytes(a + (b >> 1) for a, b in zip(self.patterns[label], noise))


def write_cifar(folder, samples, fine):
    images = Images(100 if fine else 10)
    names = ["train.bin", "test.bin"] if fine else [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            for i in range(samples):
                label = i % len(images.patterns)
                file.write(bytes([label // 5, label] if fine else [label]) + images.image(label))


def npy(kind, shape, data):
    """What numpy.save() writes."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def write_archive(path, members, method):
    """What numpy.savez() and numpy.savez_compressed() write."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)


def write_imagenet32(folder, samples, variant):
    images = Images(1000)
    count = 0
    for name in [f"train_data_batch_{i}.npz" for i in range(1, 11)] + ["val_data.npz"]:
        labels = [(count + i) % 1000 + 1 for i in range(samples)]
        count += samples
        data = b"".join(images.image(label - 1) for label in labels)
        if variant == "last":
            labels[-1] = 1001
        members = [("data.npy", npy("|u1", (samples, 3 * PIXELS), data)),
                   ("labels.npy", npy("<i8", (samples,), struct.pack(f"<{samples}q", *labels)))]
        if name.startswith("train"):
            members.append(("mean.npy", npy("<f8", (3 * PIXELS,), bytes(8 * 3 * PIXELS))))
        write_archive(os.path.join(folder, name), members,
                      zipfile.ZIP_STORED if variant == "stored" else zipfile.ZIP_DEFLATED)


def test_records(samples):
    """Labels and planes of what write_cifar() makes last: the test file."""
    images = Images(10)
    for _ in range(5):
        for i in range(samples):
            images.image(i % 10)
    return [i % 10 for i in range(samples)], [images.image(i % 10) for i in range(samples)]


def write_arrays(folder, samples, height=32, width=32):
    labels, planes = test_records(samples)
    places = [32 * row + column for row in range(height) for column in range(width)]
    pixels = b"".join(bytes(image[PIXELS * c + i] for i in places for c in range(3)) for image in planes)
    for name in ["train", "test"]:
        with open(os.path.join(folder, name + "-images.npy"), "wb") as file:
            file.write(npy("|u1", (samples, height, width, 3), pixels))
        with open(os.path.join(folder, name + "-labels.npy"), "wb") as file:
            file.write(npy("|u1", (samples,), bytes(labels)))


def write_mnist(folder, samples):
    labels, planes = test_records(samples)
    pixels = b"".join(image[PIXELS + 32 * row + 2:PIXELS + 32 * row + 30] for image in planes for row in range(2, 30))
    for name in ["train", "t10k"]:
        with open(os.path.join(folder, name + "-images-idx3-ubyte"), "wb") as file:
            file.write(struct.pack(">4i", 0x803, samples, 28, 28) + pixels)
        with open(os.path.join(folder, name + "-labels-idx1-ubyte"), "wb") as file:
            file.write(struct.pack(">2i", 0x801, samples) + bytes(labels))


def main(kind, folder, samples, variant=None):
    os.makedirs(folder, exist_ok=True)
    samples = int(samples)
    if kind == "imagenet32":
        write_imagenet32(folder, samples, variant)
    elif kind == "arrays":
        write_arrays(folder, samples)
    elif kind == "tiny":
        write_arrays(folder, samples, 5, 4)
    elif kind == "mnist":
        write_mnist(folder, samples)
    else:
        write_cifar(folder, samples, kind == "cifar100")


if __name__ == "__main__":
    main(*sys.argv[1:])
