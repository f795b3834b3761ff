"""Exceptions: one class per kind of status, each with the library's own sentence and the built-in class that fits."""
from __future__ import annotations

__all__ = ["Error", "ArgumentError", "RangeError", "LimitError", "HandleError", "StateError", "BusyError",
           "ForkedError",
           "CancelledError", "UnsupportedError", "NoMemoryError", "ThreadError", "FormatError", "CorruptError",
           "FileError",
           "NoSpaceError", "AccessError", "NotFiniteError", "DivergedError", "NoBackendError", "BackendVersionError",
           "NoDeviceError", "DeviceError", "LibraryNotFoundError"]


class Error(Exception):
    """Any failure that the library reports. status is its number, name its name such as ERROR_BUSY."""
    status: int = -1
    name: str = ""


class ArgumentError(Error, ValueError):
    """An argument has a value that the call does not take."""


class RangeError(Error, OverflowError):
    """A size overflows."""


class LimitError(Error):
    """A size is above a limit that was set."""


class HandleError(Error):
    """An object was closed, or is of another kind."""


class StateError(Error, RuntimeError):
    """The call came at the wrong moment."""


class BusyError(Error, RuntimeError):
    """The object is in use by another call."""


class ForkedError(Error, RuntimeError):
    """The object was made in another process."""


class CancelledError(Error):
    """The call was cancelled by Context.cancel()."""


class UnsupportedError(Error, NotImplementedError):
    """The combination is not supported."""


class NoMemoryError(Error, MemoryError):
    """Out of memory."""


class ThreadError(Error, RuntimeError):
    """A thread could not be started."""


class FormatError(Error, ValueError):
    """A file breaks the rules of its format."""


class CorruptError(Error, ValueError):
    """A file's checksum does not match its data."""


class FileError(Error, OSError):
    """Reading or writing a file failed."""


class NoSpaceError(FileError):
    """No space is left on the device."""


class AccessError(FileError):
    """A file could not be opened."""


class NotFiniteError(Error, ArithmeticError):
    """A number is NaN or infinite."""


class DivergedError(Error, ArithmeticError):
    """The inference diverged."""


class NoBackendError(Error, RuntimeError):
    """The backend is not available."""


class BackendVersionError(Error, RuntimeError):
    """A backend or the library was built for another version."""


class NoDeviceError(NoBackendError):
    """No device was found."""


class DeviceError(Error, RuntimeError):
    """The device failed."""


class LibraryNotFoundError(Error, ImportError):
    """libdualprop.so.0 was not found; the message lists every path that was tried."""


OF_STATUS = {
    "ERROR_INVALID_ARGUMENT": ArgumentError, "ERROR_RANGE": RangeError, "ERROR_LIMIT": LimitError,
    "ERROR_HANDLE": HandleError, "ERROR_INVALID_STATE": StateError, "ERROR_BUSY": BusyError,
    "ERROR_FORKED": ForkedError, "ERROR_CANCELLED": CancelledError, "ERROR_UNSUPPORTED": UnsupportedError,
    "ERROR_NO_MEMORY": NoMemoryError, "ERROR_THREAD": ThreadError, "ERROR_FORMAT": FormatError,
    "ERROR_CORRUPT": CorruptError, "ERROR_IO": FileError, "ERROR_NO_SPACE": NoSpaceError,
    "ERROR_FILE_TOO_BIG": NoSpaceError, "ERROR_ACCESS": AccessError, "ERROR_NOT_FINITE": NotFiniteError,
    "ERROR_DIVERGED": DivergedError, "ERROR_NO_BACKEND": NoBackendError,
    "ERROR_BACKEND_VERSION": BackendVersionError, "ERROR_NO_DEVICE": NoDeviceError, "ERROR_DEVICE": DeviceError,
}
