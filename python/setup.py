"""The wheel holds a shared library that ctypes loads: it is of a platform, but of every Python 3."""
from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel


class OfEveryPython(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


table = {}
with open("dualprop/_signatures.py", encoding="utf-8") as file:
    exec(file.read(), table)
version = ".".join(str(table["CONSTANTS"]["VERSION_" + part]) for part in ("MAJOR", "MINOR", "PATCH"))
setup(version=version, cmdclass={"bdist_wheel": OfEveryPython}, distclass=WithLibrary)
