"""What was worked out once is kept for all who ask."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Any, TypeVar, cast

import cachetools

Function = TypeVar("Function", bound=Callable[..., Any])


def cached(most: int) -> Callable[[Function], Function]:
    """Keep a function's latest answers, and let those who ask for one that is being worked out wait for it.

    `functools.lru_cache` would have everyone who opens a page at the same time work out the same.

    Parameters
    ----------
    most : int
        Answers that are kept; the one that was asked for longest ago goes first. Errors are not kept.
    """
    return cast(Callable[[Function], Function], cachetools.cached(cachetools.LRUCache(most), condition=Condition()))
