"""Marks a function as a step that runs inside a hospital, and finds it by name: a name travels, never code."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gagyo.finding import Finding
from gagyo.release.aggregate import Aggregate


@dataclass(frozen=True)
class Numbers:
    """An array argument: `shape` with None for any length, and the range that every number must lie in."""

    shape: tuple[int | None, ...]
    low: float = -1e6
    high: float = 1e6

    def fits(self, value: Any) -> bool:
        """Whether `value` is such an array."""
        if not isinstance(value, np.ndarray) or value.ndim != len(self.shape):
            return False
        sizes = all(want is None or want == got for want, got in zip(self.shape, value.shape, strict=True))
        return sizes and bool(np.all(np.isfinite(value)) and np.all((value >= self.low) & (value <= self.high)))


@dataclass(frozen=True)
class Whole:
    """A whole number argument."""

    low: int
    high: int

    def fits(self, value: Any) -> bool:
        """Whether `value` is such a number."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Name:
    """A text argument: the name of a variable, or a formula; the step parses it by the study's own rules."""

    longest: int = 10_000

    def fits(self, value: Any) -> bool:
        """Whether `value` is such a text."""
        return isinstance(value, str) and len(value) <= self.longest


@dataclass(frozen=True)
class Names:
    """A list of texts."""

    most: int = 1_000

    def fits(self, value: Any) -> bool:
        """Whether `value` is such a list."""
        return isinstance(value, (list, tuple)) and len(value) <= self.most and all(Name().fits(one) for one in value)


Parameter = Numbers | Whole | Name | Names


@dataclass(frozen=True)
class LocalStep:
    """A step that an installed method offers: `name` is `<method>.<function>`."""

    name: str
    function: Callable[..., Aggregate]
    parameters: Mapping[str, Parameter]

    def check(self, arguments: Mapping[str, Any]) -> list[Finding]:
        """What is wrong with arguments for this step."""
        if set(arguments) != set(self.parameters):
            names = {"found": ", ".join(sorted(arguments)), "expected": ", ".join(sorted(self.parameters))}
            return [Finding("argument_names", values=names)]
        return [
            Finding("argument_range", values={"found": name, "expected": str(parameter)})
            for name, parameter in self.parameters.items()
            if not parameter.fits(arguments[name])
        ]

    def __call__(self, rows: Any, **arguments: Any) -> Aggregate:
        """Compute the step on a hospital's rows."""
        return self.function(rows, **arguments)


def local(method: str = "", /, **parameters: Parameter) -> Callable[[Callable[..., Aggregate]], LocalStep]:
    """Declare a step with the shapes and ranges of its arguments; `method` where its file is not the method's own."""

    def mark(function: Callable[..., Aggregate]) -> LocalStep:
        owner = method or function.__module__.rsplit(".", 1)[-1]
        return LocalStep(f"{owner}.{function.__name__}", function, parameters)

    return mark


@cache
def method_names() -> tuple[str, ...]:
    """The methods that are installed: one file in `gagyo.methods` each."""
    import gagyo.methods

    found = (module.name for module in pkgutil.iter_modules(gagyo.methods.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def method_module(name: str) -> Any:
    """The module of a method; KeyError where it is not installed."""
    if name not in method_names():
        raise KeyError(name)
    return importlib.import_module(f"gagyo.methods.{name}")


def find_step(name: str) -> LocalStep:
    """The step of a name; KeyError where it is not installed."""
    method, _, function = name.partition(".")
    step = getattr(method_module(method), function, None)
    if not isinstance(step, LocalStep):
        raise KeyError(name)
    return step


@cache
def source_digest(method: str) -> str:
    """The digest of a method's source and of every Gagyo module that it draws its arithmetic from."""
    seen: dict[str, bytes] = {}
    _collect(method_module(method), seen)
    whole = hashlib.sha256()
    for name in sorted(seen):
        whole.update(name.encode() + b"\0" + seen[name] + b"\0")
    return "sha256:" + whole.hexdigest()


def unlike_sources(methods: Mapping[str, str]) -> list[str]:
    """Which methods are installed here with another source than a plan names, or not at all."""
    names = method_names()
    return [name for name, digest in methods.items() if name not in names or source_digest(name) != digest]


ARITHMETIC = (
    "gagyo.methods",
    "gagyo.statistics",
    "gagyo.federation",
    "gagyo.protocol.formula",
    "gagyo.release.aggregate",
)


def _collect(module: Any, seen: dict[str, bytes]) -> None:
    if module.__name__ in seen:
        return
    seen[module.__name__] = inspect.getsource(module).encode()
    for value in vars(module).values():
        origin = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(value, LocalStep):
            origin = value.function.__module__
        if isinstance(origin, str) and origin.startswith(ARITHMETIC):
            _collect(importlib.import_module(origin), seen)
