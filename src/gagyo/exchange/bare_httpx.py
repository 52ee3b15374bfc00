"""httpx without the command that comes with it: that loads a library of terminals, a quarter of a service's start."""

import sys

# What is said to be absent is not loaded, and httpx goes without, as where it was installed without its extra.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

__all__ = ["httpx"]
