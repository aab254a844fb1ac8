"""What programs call columns in their exports, where that is no plain word of a language.

Google Contacts, Outlook, Workday, ADP, SAP and SuccessFactors, DATEV, Active Directory, CRMs.
"""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "full_name": (
        "Legal Name", "Full Legal Name", "Legal Name in General Display Format", "Payroll Name", "Employee/app.name",
    ),
    "given_name": ("Name - First Name", "Vorname (Adressattyp natürl. Person)"),
    "legal_given_name": ("Legal First Name", "Legal Name - First Name", "Legal Given Name"),
    "middle_name": ("Legal Middle Name", "Legal Name - Middle Name"),
    "family_name": ("sn", "Name - Last Name", "Name (Adressattyp natürl. Person)"),
    "legal_family_name": ("Legal Last Name", "Legal Name - Last Name", "Legal Family Name"),
    "company_name": ("Organization 1 - Name", "Name (Adressattyp Unternehmen)"),
    "other_company": ("Account Name", "Associated Company"),
    "legal_entity": ("Payroll Company Name", "Legal Entity/Company"),
    "mobile": ("Work Contact: Work Mobile", "Work Contact: Work Mobile Phone", "Phone - Primary Work Mobile"),
    "private_mobile": (
        "Personal Contact: Personal Mobile", "Personal Contact: Personal Mobile Phone", "Phone - Primary Home Mobile",
    ),
    "phone": ("Phone 1 - Value",),
    "work_phone": ("Work Contact: Work Phone", "Primary Work Phone", "Phone - Primary Work", "Biz Phone"),
    "email_address": ("E-mail 1 - Value",),
    "work_email": ("Work Contact: Work Email", "Primary Work Email", "Email - Primary Work"),
    "other_email": (
        "Personal Contact: Personal Email", "Primary Home Email", "Email - Primary Home", "E-mail 2 - Value",
        "E-mail 2 Address",
    ),
}  # fmt: skip
