# SPDX-License-Identifier: BSL-1.0
"""Every Python that finds this folder in PYTHONPATH has Tornado on this library, those that the tests start too."""

import beneath

beneath.install()
