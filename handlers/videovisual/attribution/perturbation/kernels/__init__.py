"""What a search computes around a network's pass, compiled: needs Numba, the extra `fast`.

Loops that go over their numbers once, where torch's operators go over them many times. Each runs
in one thread, and without Python's lock. All arrays are contiguous. What is said to be *framed*
has `radius` more cells around its own rows and columns.
"""
