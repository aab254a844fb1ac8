"""The fields of an employee, each declared once; everything that has a part for each field follows from here.

What a header calls them, what their cells must be, the columns of the table and the statements that write and read
them, the template, the listing, the export, the search, the API's documents and the sample: docs/architecture.md,
"Adding a column", says what does not follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.rows.rules import EMAIL, MOBILE, RowFault, Rule, text_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. Its values are text, in files, in messages and in the table.

    `aliases` are other names that a header may call it by, `parts` lists of names of which one each, side by side,
    make the field together. They are compared without case, spaces, underscores, dashes and dots, so one spelling
    stands for many: "e-mail", "E_Mail" and "EMAIL" are one.

    A cell of a field that `may_be_empty` is stored as null when it is. A header may lack a field that `is_optional`,
    which is then empty in every row. The search looks into a field that `is_searched`.
    """

    name: str
    rule: Rule
    example: str
    aliases: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    may_be_empty: bool = False
    is_optional: bool = False
    is_searched: bool = False

    def __post_init__(self) -> None:
        if self.is_optional and not self.may_be_empty:
            raise ValueError(f"{self.name} is optional, so it must be allowed to be empty")
        _ = self.stored_example

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
        aliases=("name", "full name", "employee", "employee full name", "person", "person name", "staff name"),
        parts=(("first name", "given name", "forename"), ("last name", "family name", "surname")),
        is_searched=True,
    ),
    Field(
        name="company_name",
        rule=text_rule(200),
        example="Initech",
        aliases=(
            "company", "organization", "organisation", "organization name", "organisation name", "employer",
            "employer name", "business", "business name", "firm",
        ),
    ),
    Field(
        name="mobile_no",
        rule=MOBILE,
        example="+91 98765 43210",
        aliases=(
            "mobile", "mobile number", "mobile phone", "mobile phone number", "phone", "phone no", "phone number",
            "telephone", "telephone number", "tel", "cell", "cell phone", "cell number", "contact no", "contact number",
        ),
    ),
    Field(
        name="email",
        rule=EMAIL,
        example="asha.rao@example.com",
        aliases=(
            "mail", "email address", "email id", "mail address", "employee email", "work email", "business email",
        ),
        is_searched=True,
    ),
)  # fmt: skip

FIELD_NAMES: Final = tuple(field.name for field in FIELDS)
REQUIRED_NAMES: Final = tuple(field.name for field in FIELDS if not field.is_optional)
# It tells two employees apart.
KEY_NAME: Final = "email"
KEY: Final = FIELD_NAMES.index(KEY_NAME)
