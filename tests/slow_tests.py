"""Which tests are slow: those that train, evaluate, export, prepare or start a process, in a fixture or themselves.

They are found by the names in their code, so that `make check` leaves out a new one without a mark. Others that take
seconds are marked by hand.
"""

import inspect
import types

SLOW = {
    "train_and_evaluate", "evaluate", "export", "convert", "prepare", "Evaluator", "TrainStep", "LayerProbe",
    "commands", "subprocess", "Popen", "multiprocessing", "server", "scenarios", "corpora", "conduct", "exec",
}  # fmt: skip


def is_slow(item):
    """Whether a test is, from the code of its function, its fixtures, and what they call in their own modules."""
    functions = [item.function]
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        functions += [definition.func for definition in definitions]
    return any(not SLOW.isdisjoint(_names(inspect.unwrap(function), set())) for function in functions)


def _names(function, seen):
    """The names that a function uses, with those of the functions of its module that it uses."""
    if function in seen:
        return set()
    seen.add(function)
    names = _names_of_code(function.__code__)
    for name in list(names):
        value = function.__globals__.get(name)
        module = getattr(value, "__module__", None)
        # What is imported under another name: `from commands import run`.
        names |= {part for part in (module, getattr(value, "__name__", None)) if part in SLOW}
        if isinstance(value, types.FunctionType) and module == function.__module__:
            names |= _names(value, seen)
    return names


def _names_of_code(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of_code(constant)
    return names
