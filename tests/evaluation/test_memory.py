"""The switch that keeps freed memory in the process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import platform, resource
import numpy as np
from clearvision.evaluation.memory import keep_freed_memory

kept = keep_freed_memory()
assert kept == (platform.libc_ver()[0] == "glibc"), (kept, platform.libc_ver())
arrays = [np.ones(1 << 20) for _ in range(4)]
del arrays
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    arrays = [np.ones(1 << 20) for _ in range(4)]
    del arrays
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
assert not kept or faults < 1000, faults  # ten thousand without the switch
"""


def test_freed_arrays_are_taken_again_without_asking_the_system() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)  # of its own: the switch is for a whole process
