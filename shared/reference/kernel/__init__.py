"""The compiled kernel that counts numbers; the functions around it are those of `shared/reference/counter.py`."""

from ctypes import CDLL, c_int64, c_void_p

from shared.reference.kernel.build import library

_POINTERS = 5  # counts, sums, squares, outside, zeros

if not library().exists():
    raise ImportError(f"{library()} is not there: run `make install`")

count = CDLL(str(library())).driftline_count
count.argtypes = [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int64, *[c_void_p] * _POINTERS]
count.restype = None
