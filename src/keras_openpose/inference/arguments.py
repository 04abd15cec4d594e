"""Arguments that one function passes to another: misspelled ones raise before the work."""

import difflib
import inspect
from collections.abc import Callable, Iterable


def check_arguments(
    function: str, given: Iterable[str], *takers: Callable, settled: Iterable[str] = ()
) -> None:
    """Refuse arguments that none of the functions takes.

    Args:
        function: name of the function that was called, for the message.
        given: names of the arguments.
        takers: the functions whose keyword-only arguments may be given.
        settled: those that may not be given, since their value follows from the rest.

    Raises:
        TypeError: no function takes an argument; the message names the nearest, or else all.
    """
    parameters = [row for taker in takers for row in inspect.signature(taker).parameters.values()]
    known = {row.name for row in parameters if row.kind is row.KEYWORD_ONLY} - set(settled)
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            choices = ", ".join(f"`{choice}`" for choice in sorted(known))
            advice = f"Did you mean `{nearest[0]}`?" if nearest else f"Choose from: {choices}."
            raise TypeError(f"`{function}` has no argument `{name}`. {advice}")
