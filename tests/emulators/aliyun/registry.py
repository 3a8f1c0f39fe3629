"""The actions of a product by name."""

from __future__ import annotations

from typing import Any, Callable

from .parameters import Parameters

Answer = dict[str, Any]
Action = Callable[[Parameters], Answer]


class Registry:
    """Name -> function. Functions run with the world's lock held and raise ApiError to refuse."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.changing: set[str] = set()

    def action(self, name: str, *, changes: bool = False) -> Callable[[Action], Action]:
        def register(function: Action) -> Action:
            self.actions[name] = function
            if changes:
                self.changing.add(name)
            return function

        return register


SLB = Registry()
