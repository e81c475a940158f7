"""Tag selectors: which devices of a tailnet a resource means, by the tags they carry.

``grammar`` reads a tag as key and value; ``requirement`` and ``selector`` say what is asked of it;
``syntax`` reads kubectl's selector text; ``explanation`` says why a device matches or not.
``index`` answers the same question for many selectors and many devices at once, and again after
each change, at a cost that follows the change (``circuit`` is its compiled form).
"""

from .explanation import Explanation, RequirementVerdict, TermVerdict
from .grammar import Reading, TagGrammar
from .index import TagIndex
from .requirement import Operator, TagSelector
from .selector import Selector, SelectorTerms
from .syntax import SelectorSyntaxError, parse_selector

__all__ = [
    "Explanation",
    "Operator",
    "Reading",
    "RequirementVerdict",
    "Selector",
    "SelectorSyntaxError",
    "SelectorTerms",
    "TagGrammar",
    "TagIndex",
    "TagSelector",
    "TermVerdict",
    "parse_selector",
]
