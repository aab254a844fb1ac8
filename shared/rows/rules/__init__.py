"""The rules for values, which fields are declared with: what a rule is, and one module for each kind of value."""

from shared.rows.rules.email import EMAIL, EMAIL_LIMIT, is_email
from shared.rows.rules.mobile import MOBILE, MOBILE_DIGITS, is_mobile
from shared.rows.rules.rule import CleanColumn, RowFault, Rule
from shared.rows.rules.text import text_rule

__all__ = [
    "EMAIL",
    "EMAIL_LIMIT",
    "MOBILE",
    "MOBILE_DIGITS",
    "CleanColumn",
    "RowFault",
    "Rule",
    "is_email",
    "is_mobile",
    "text_rule",
]
