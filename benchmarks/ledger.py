"""Who spends the CPU time of a process: functions are wrapped from outside and keep accounts."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any


class Ledger:
    """CPU-seconds by account. What an inner account spends is not the outer one's."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._threads = threading.local()

    def watch(self, account: str, owner: Any, *names: str) -> None:  # noqa: ANN401 - any object
        """Books all later calls of some functions on an account.

        Args:
            account: The account.
            owner: The class or module that the functions are looked up in.
            names: The functions.
        """
        for name in names:
            setattr(owner, name, self._watched(account, getattr(owner, name)))

    def _watched(self, account: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            stack = self._stack()
            self._book(stack)
            stack.append(account)
            self.calls[account] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._book(stack)
                stack.pop()

        return call

    def _stack(self) -> list[str]:
        """The accounts that this thread is in, the innermost last."""
        if not hasattr(self._threads, "stack"):
            self._threads.stack = []
            self._threads.booked = time.thread_time()
        stack: list[str] = self._threads.stack
        return stack

    def _book(self, stack: list[str]) -> None:
        """Books the time since the last entry on the account that the thread is in."""
        now = time.thread_time()
        if stack:
            self.seconds[stack[-1]] += now - self._threads.booked
        self._threads.booked = now
