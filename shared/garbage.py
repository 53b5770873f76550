"""Python's collector of cycles, set for a service that makes many short-lived objects beside a large, lasting heap."""

import gc

_NEW, _MIDDLE, _OLD = 50_000, 20, 50


def settle() -> None:
    """What lives now lives long: the collector looks at it no more, and at what comes less often.

    With Python's defaults it takes a good part of a busy service's time: each look at the oldest generation walks
    through all that the libraries hold. Cheap enough to be called again after something large was loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, _MIDDLE, _OLD)
