"""The fields of an employee, each declared once; everything that has a part for each field follows from here.

What a header calls them, what their cells must be, the columns of the table and the statements that write and read
them, the template, the listing, the export, the search, the API's documents and the sample: docs/architecture.md,
"Adding a column", says what does not follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.duplicate_mode import DUPLICATE_MODES, DuplicateMode
from shared.rows.rules import EMAIL, MOBILE, RowFault, Rule, text_rule


class Part(NamedTuple):
    """A part of a value that may stand in a column of its own; `kinds` of names that it is taken from, best first."""

    name: str
    kinds: tuple[str, ...]
    is_needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. Its values are text, in files, in messages and in the table.

    A header may call it by its name, or by one of its `aliases`. Beside these, `header_names` has a table a language of
    what headers call columns, by kinds: the field's own name is a kind, and `kinds` are others that it is taken from,
    best first. A column of `half_kinds` may hold all of it or one of its `parts` only, which its cells tell.
    `column_names` says how names are compared. Of two columns the one that looks like a code is not a field that is
    `never_a_code`.

    A cell of a field that `may_be_empty` is stored as null when it is. A header may lack a field that `is_optional`,
    which is then empty in every row. In the duplicate modes of `optional_in` the sender may say the same of any other;
    then a cell with one of the `words_for_none`, whatever their case, is empty too. The search looks into a field that
    `is_searched`.
    """

    name: str
    rule: Rule
    example: str
    aliases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    half_kinds: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    never_a_code: bool = False
    may_be_empty: bool = False
    is_optional: bool = False
    optional_in: tuple[DuplicateMode, ...] = ()
    words_for_none: frozenset[str] = frozenset()
    is_searched: bool = False

    def __post_init__(self) -> None:
        if self.is_optional and not self.may_be_empty:
            raise ValueError(f"{self.name} is optional, so it must be allowed to be empty")
        _ = self.stored_example

    @property
    def is_nullable(self) -> bool:
        """True when somebody may be inserted without it."""
        return self.may_be_empty or self.optional_in == DUPLICATE_MODES

    @property
    def stored_example(self) -> str:
        value = self.rule.clean(self.name, self.example)
        if isinstance(value, RowFault):
            raise ValueError(f"the example of {self.name} is refused: {value.message}")  # noqa: TRY004
        return value


# In the order of the template, the listing and a file without a header; optional ones come last, so that such a file
# may lack them. The table has a unique index on the email, and the search one on the searched fields.
FIELDS: Final = (
    Field(
        name="employee_name",
        rule=text_rule(200),
        example="Asha Rao",
        kinds=("full_name",),
        half_kinds=("name", "employee"),
        # In the order in which they are joined.
        parts=(
            Part("first name", ("given_name", "legal_given_name", "call_name"), is_needed=True),
            Part("middle name", ("middle_name",)),
            Part("name prefix", ("name_infix",)),
            Part("last name", ("family_name", "legal_family_name", "other_family_name"), is_needed=True),
            Part("second last name", ("second_family_name",)),
        ),
        never_a_code=True,
        # Nobody is inserted without a name.
        optional_in=("update",),
        is_searched=True,
    ),
    Field(
        name="company_name",
        rule=text_rule(200),
        example="Initech",
        kinds=("other_company", "legal_entity"),
        never_a_code=True,
        optional_in=DUPLICATE_MODES,
    ),
    Field(
        name="mobile_no",
        rule=MOBILE,
        example="+91 98765 43210",
        kinds=("mobile", "private_mobile", "phone", "work_phone"),
        optional_in=DUPLICATE_MODES,
        words_for_none=frozenset({"-", "–", "—", "n/a", "none", "null", "unknown"}),
    ),
    Field(
        name="email",
        rule=EMAIL,
        example="asha.rao@example.com",
        kinds=("email_address", "work_email", "other_email"),
        is_searched=True,
    ),
)  # fmt: skip

FIELD_NAMES: Final = tuple(field.name for field in FIELDS)
REQUIRED_NAMES: Final = tuple(field.name for field in FIELDS if not field.is_optional)
# Nobody is inserted without these.
NEVER_NULL: Final = frozenset(field.name for field in FIELDS if not field.is_nullable)
# It tells two employees apart.
KEY_NAME: Final = "email"
KEY: Final = FIELD_NAMES.index(KEY_NAME)
