# SPDX-License-Identifier: BSL-1.0
"""Every Python that finds this folder in PYTHONPATH has Tornado on this library, those that the tests start too."""

import os
import traceback

try:
    import beneath

    beneath.install()
except BaseException:
    # Python would go on, and the tests would be of Tornado alone.
    traceback.print_exc()
    os._exit(70)
