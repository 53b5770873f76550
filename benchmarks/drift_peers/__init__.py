"""What other detectors of drift say of the same data: NannyML, Evidently, river, whylogs, alibi-detect and plain rules.

The others run in `.envs/peers`, an environment of their own (`requirements/peers.lock`), each with its defaults.
"""
