"""What English headers call columns."""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "full name", "employee full name", "person name", "staff name", "name of employee", "complete name",
        "first and last name", "first name and last name", "first name last name", "last name, first name",
        "last, first", "surname, first name", "name and surname", "name (first last)", "name (last, first)",
        "worker name", "emp name", "staff member", "member name", "contact name", "associate name", "colleague name",
    ),
    "name": ("name", "person", "display name"),
    "employee": ("employee", "worker", "colleague"),
    "given_name": (
        "first name", "first names", "given name", "given names", "forename", "forenames", "christian name", "first",
        "given", "employee first name", "name (first)", "name (given)",
    ),
    "middle_name": (
        "middle name", "middle names", "middle initial", "middle", "additional name", "additional names", "other names",
        "employee middle name", "name (middle)", "m.i.",
    ),
    "family_name": (
        "last name", "last names", "family name", "family names", "surname", "surnames", "last", "employee last name",
        "name (last)", "name (family)", "name (surname)",
    ),
    "company_name": (
        "company", "organization", "organisation", "organization name", "organisation name", "employer",
        "employer name", "employing company", "business", "business name", "firm", "firm name", "name of company",
        "company/organization", "company/organisation", "company or organization", "name (company)", "corporation",
        "institution", "employee company", "company (name)",
    ),
    "legal_entity": (
        "legal entity", "legal entity name", "legal employer", "subsidiary", "subsidiary name", "subcompany",
    ),
    "mobile": (
        "mobile", "mobile number", "mobile num", "mobile phone", "mobile phone number", "mobile phone no", "mobile tel",
        "mobile telephone", "mobile telephone number", "mobile contact number", "mobile 1", "mobile phone 1", "mob",
        "mob no", "mob number", "primary mobile", "phone (mobile)", "telephone (mobile)", "tel (mobile)",
        "phone number (mobile)", "number (mobile)", "cell", "cell no", "cell number", "cell phone", "cell phone no",
        "cell phone number", "cellular", "cellular number", "cellular phone", "phone (cell)", "phone number (cell)",
        "handphone", "handphone number", "smartphone", "work mobile", "work mobile phone", "work mobile number",
        "work cell", "work cell phone", "business mobile", "business mobile phone", "company mobile", "mobile (work)",
        "mobile (business)", "mobile phone (work)", "employee mobile", "employee mobile number",
        "employee mobile phone", "emp mobile",
    ),
    "private_mobile": (
        "personal mobile", "personal mobile phone", "personal mobile number", "personal cell", "personal cell phone",
        "private mobile", "private mobile phone", "home mobile", "mobile (personal)", "mobile (private)",
        "mobile (home)", "mobile phone (personal)", "mobile phone (private)",
    ),
    "phone": (
        "phone", "phone no", "phone num", "phone number", "ph", "ph no", "telephone", "telephone no",
        "telephone number", "tel", "tel no", "tel number", "contact no", "contact number", "contact phone",
        "contact phone number", "phone 1", "phone number 1", "telephone 1", "tel 1", "primary phone",
        "primary phone number", "employee phone", "employee phone number", "emp phone",
    ),
    "work_phone": (
        "work phone", "work phone number", "work telephone", "work number", "work tel", "business phone",
        "business phone number", "business telephone", "office phone", "office phone number", "office number",
        "direct phone", "direct line", "phone (work)", "phone (business)", "phone (office)", "telephone (work)",
        "telephone (office)", "phone number (work)", "phone (company)",
    ),
    "email_address": (
        "mail", "mail address", "mail id", "email address", "email addr", "email id", "employee email",
        "employee email address", "email 1", "email address 1", "primary email", "primary email address",
        "email (primary)", "contact email", "electronic mail", "emp email", "staff email",
    ),
    "work_email": (
        "work email", "work email address", "work mail", "business email", "business email address", "office email",
        "corporate email", "corporate email address", "company email", "company email address", "professional email",
        "official email", "email (work)", "email (business)", "email (office)", "email (company)",
        "email address (work)", "email address (business)",
    ),
    "other_email": (
        "personal email", "personal email address", "private email", "private email address", "home email",
        "home email address", "email (personal)", "email (private)", "email (home)", "email 2", "email address 2",
        "secondary email", "alternate email", "alternative email", "other email",
    ),
    "somebody_else": (
        "manager", "supervisor", "boss", "emergency", "emergency contact", "next of kin", "spouse", "partner", "parent",
        "assistant", "reference", "fax", "former", "old", "previous",
    ),
}  # fmt: skip
