"""The page of methods: what each is, what a study file may say of it, and what its steps send, from the code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gagyo.federation.local import LocalStep, Name, Names, Numbers, Whole, method_module, method_names
from made.words import MADE, cell


def methods() -> str:
    """Every installed method: what it is, what a study file may say of it, and what its steps send."""
    lines = [
        MADE,
        "",
        "# Methods",
        "",
        "One file in `src/gagyo/methods` is one method; the file's name is the `method` of an analysis. *Lossless*",
        "means equal to the analysis of the pooled rows. How many numbers a step would send in your study, and how",
        "often, is what `gagyo check` and `gagyo plan` print. How far each is from an independent reference, as measured:",
        "[Differences](differences.md).",
    ]
    for name in method_names():
        lines += method(name)
    return "\n".join(lines) + "\n"


def method(name: str) -> Iterator[str]:
    """One method's section."""
    module = method_module(name)
    yield from ("", f"## {name}", "", inspect.getdoc(module) or "", "")
    yield f"Lossless: {'yes' if module.Method.lossless else 'no'}."
    yield from ("", f"### Options of {name}")
    for model in models(module.Method.Options):
        yield from options(model, module.Method.Options)
    yield from ("", f"### What {name} sends", "")
    yield from ("| step | what leaves | arguments that it accepts |", "|---|---|---|")
    for step in steps(module):
        arguments = "; ".join(f"`{one}`: {accepted(kind)}" for one, kind in step.parameters.items())
        yield f"| `{step.name}` | {cell(inspect.getdoc(step.function))} | {arguments} |"


def steps(module: Any) -> list[LocalStep]:
    """The steps that hospitals run for a method, by name."""
    found = {one.name: one for one in vars(module).values() if isinstance(one, LocalStep)}
    return [found[name] for name in sorted(found)]


def accepted(kind: object) -> str:
    """What a step accepts as an argument, in words."""
    match kind:
        case Numbers(shape, low, high):
            size = " x ".join("any" if one is None else str(one) for one in shape)
            return f"numbers ({size}) from {low:g} to {high:g}"
        case Whole(low, high):
            return f"a whole number from {low} to {high}"
        case Name():
            return "a text"
        case Names():
            return "texts"
    return type(kind).__name__


def models(top: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and those that its fields hold, each once."""
    found = [top]
    for model in found:
        for field in model.model_fields.values():
            found += [one for one in dict.fromkeys(inner(field.annotation)) if one not in found]
    return found


def inner(kind: Any) -> list[type[BaseModel]]:
    """The models inside a type."""
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return [kind]
    return [one for part in get_args(kind) for one in inner(part)]


def options(model: type[BaseModel], top: type[BaseModel]) -> Iterator[str]:
    """One model's fields."""
    if model is not top:
        yield from ("", f"**{model.__name__}**")
    if model.__doc__:
        yield from ("", re.sub(r"\s+", " ", inspect.getdoc(model) or ""))
    beside = field_docs(model)
    yield from ("", "| option | type | default | |", "|---|---|---|---|")
    for name, field in model.model_fields.items():
        start = "required" if field.is_required() else given(field.default)
        yield f"| `{name}` | {cell(type_words(field))} | {start} | {cell(beside.get(name, ''))} |"


def given(value: Any) -> str:
    """A default as a study file would write it; nothing where it is empty."""
    return "" if value in (None, "", [], {}) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def type_words(field: Any) -> str:
    """A field's type in words, with its limits."""
    limits = ", ".join(str(one).partition("(")[2].rstrip(")") for one in field.metadata)
    return f"{kind_words(field.annotation)} {limits}".rstrip()


def kind_words(kind: Any) -> str:
    """A type in words, the same under every Python version."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return kind_words(inside[0])
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inside)
    if origin in (Union, UnionType):
        return " or ".join(kind_words(one) for one in inside if one is not type(None))
    if origin is list:
        return f"list of {kind_words(inside[0])}"
    if origin is dict:
        return f"table from {kind_words(inside[0])} to {kind_words(inside[1])}"
    return KINDS.get(kind, f"*{kind.__name__}*")


KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The texts that stand under fields in a model's source."""
    body = ast.parse(inspect.getsource(import_module(model.__module__))).body
    own = next(one for one in body if isinstance(one, ast.ClassDef) and one.name == model.__name__).body
    found = {}
    for field, after in pairwise(own):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(field.target, ast.Name):
            found[field.target.id] = str(ast.literal_eval(after.value))
    return found
