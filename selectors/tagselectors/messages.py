"""What a user reads about a wrong selector, wherever it is checked: here, or by the CRD's rules."""

KEY_RULE = (
    "a key starts with a letter, holds letters, digits and dashes, and does not end in a dash"
    " (at most 253 characters)"
)
KEY_WITH_PREFIX = "a key is written without 'tag:', as in env for tag:env-production"
OPERATOR_RULE = "operator must be one of In, NotIn, Exists, DoesNotExist"
NEEDS_VALUES = "operator {operator} needs at least one value"
TAKES_NO_VALUES = "operator {operator} takes no values"
VALUES_ARE_A_LIST = "values must be a list, as in [production]"
TOO_MANY_VALUES = "at most 64 values"
VALUE_RULE = "a value holds letters, digits, dashes, dots and underscores (at most 253 characters)"
NOT_A_STRING = (
    'must be a string: write yes, no, on, off, null and numbers in quotes, as in "yes" or "8080"'
)
